/** Adds a workload that Google Cloud trusts, out of the configuration that gcloud makes (AIP-4117). */
import { readFile } from "node:fs/promises";
import { protectTypedSecrets } from "../../base/core-dump.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import { confirmed, interactive } from "../prompts.ts";
import { warnIfShared } from "../secrets-input.ts";
import { parseSettings } from "../settings-input.ts";
import { mapExternalAccount } from "./external-account.ts";
import { asJson } from "./google-service-account.ts";
import { offerRemoval } from "./offer-removal.ts";
import type { AddOptions } from "./options.ts";
import { announceAdded, sendAdd } from "./send.ts";
import { STOPPED, stopped } from "./send-draft.ts";
import { whatItDoes } from "./what-it-does.ts";

const OPTION = "--google-external-account";

/** Shows what the file has read, and where it has that sent, before anything is; a person at a terminal is asked. */
export async function addGoogleExternalAccount(name: string, options: AddOptions): Promise<void> {
  const { googleExternalAccount: path = "", set = [], replace } = options;
  const { scope = [], ...given } = parseSettings(set);
  const scopes = [scope].flat().flatMap((words) => words.split(/[\s,]+/).filter(Boolean));
  const mapped = mapExternalAccount(asJson(await read(path)), scopes);
  if (typeof mapped === "string") {
    throw new AuthdError("invalid_params", `${OPTION}: ${path} ${mapped}`);
  }
  const { grant, settings, secrets, reads, sends } = mapped;
  const isSecret = Object.keys(secrets).length > 0;
  if (isSecret) await warnIfShared(path);
  process.stderr.write(`${whatItDoes(name, { reads, sends }).join("\n")}\n`);
  if (interactive() && !(await confirmed("Go on?"))) throw stopped(STOPPED);
  const params = { name, grant, secrets, settings: { ...settings, ...given } };
  announceAdded(await sendAdd({ ...params, ...omitUndefined({ replace }) }), replace);
  if (isSecret) await offerRemoval(path, "its secret");
}

/** The file is seldom a secret: most of them only say where one is. */
async function read(path: string): Promise<string> {
  protectTypedSecrets();
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new AuthdError("invalid_params", `${OPTION}: ${messageOf(error)}`);
  }
}
