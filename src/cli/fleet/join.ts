import { readFileSync } from "node:fs";
import { AuthdError, messageOf } from "../../errors.ts";
import { callDaemon } from "../call-daemon.ts";
import { print, printJson } from "../output.ts";
import { plain } from "../style.ts";
import { count } from "../vault/words.ts";

/** All that the store has is taken over before the answer. */
const JOIN_TIMEOUT_MS = 300_000;

/** Runs `authd fleet invite`. */
export async function invite({ group }: { group?: string[] }): Promise<void> {
  print((await callDaemon("fleet/invite", given(group))).invite);
}

/** Runs `authd fleet key NAME`. */
export async function key(name: string, { group }: { group?: string[] }): Promise<void> {
  print((await callDaemon("fleet/key", { name, ...given(group) })).key);
}

/** Returns the groups of `--group a b` and `--group a,b`, as params. */
function given(words: readonly string[] | undefined): { groups?: string[] } {
  if (!words) return {};
  const groups = words.flatMap((word) => word.split(","));
  return { groups: groups.map((group) => group.trim()).filter((group) => group !== "") };
}

/** Runs `authd fleet join URL --invite FILE`. */
export async function join(
  url: string,
  { invite: file, json = false }: { invite: string; json?: boolean },
): Promise<void> {
  const result = await callDaemon("fleet/join", { url, invite: read(file) }, JOIN_TIMEOUT_MS);
  if (json) return printJson(result);
  const { host, credentials } = result;
  print(`This host is ${plain(host)}, and shares ${count(credentials, "credential")}.`);
}

function read(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8").trim();
  } catch (cause) {
    throw new AuthdError("invalid_params", `${file} can't be read: ${messageOf(cause)}`, { cause });
  }
}
