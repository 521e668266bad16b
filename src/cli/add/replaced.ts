import type { CredentialInfo } from "../../protocol.ts";
import { apiOf } from "../status/credential-rows.ts";
import { type Paint, plain } from "../style.ts";
import { fromNow } from "../times.ts";

/** Describes the credential that `add --replace` puts another in the place of: its grant, its API, its last use. */
export function replacedLine(info: CredentialInfo, now: number, paint: Paint): string {
  const { name, preset, grant, lastAskedAt, untested } = info;
  const isUsed = lastAskedAt !== undefined && !untested;
  const used = isUsed ? `last used ${fromNow(lastAskedAt, now)}` : "never used";
  const facts = [preset && `preset ${plain(preset)}`, `grant ${plain(grant)}`, apiOf(info), used];
  const told = facts.filter(Boolean).join(", ");
  return `${paint("yellow", "This replaces")} ${paint("bold", plain(name))}: ${told}`;
}
