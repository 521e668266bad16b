import { dirname } from "node:path";
import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialDetails } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { notTold } from "./daemon-version.ts";
import { differenceLines } from "./differences.ts";
import { EXIT } from "./exit-code.ts";
import { print } from "./output.ts";
import { announce } from "./print-result.ts";
import { confirmed, interactive } from "./prompts.ts";
import { painter } from "./style.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("-y, --yes", "trust it without asking; what differs is shown all the same")
    .action(trust);
}

export const examples = [
  "authd trust labelf           shows what was edited, and asks",
  "authd trust labelf --yes     for a script, after a look at the edit",
];

async function trust(name: string, { yes = false }: { yes?: boolean }): Promise<void> {
  const details = await callDaemon("credentials/show", { credential: name });
  refuseUnreadable(details);
  if (details.binding === undefined) throw await whyNoBinding(details);
  print(...differenceLines(details, painter(process.stdout)));
  if (!yes && !interactive()) {
    throw new AuthdError(
      "invalid_params",
      `${name}: nothing was trusted, as there is no terminal to ask on; authd trust ${name} --yes trusts it`,
    );
  }
  await trustShown(details, yes);
}

/** Trusts a credential file as `details` tell it, after a question unless `yes`. */
export async function trustShown(details: CredentialDetails, yes: boolean): Promise<void> {
  const { name, binding } = details;
  if (!yes && !(await confirmed(`Trust ${name} as its file says now?`))) {
    print(`${name} is not trusted.`);
    process.exitCode = EXIT.failed;
    return;
  }
  const params = { credential: name, ...omitUndefined({ binding }) };
  announce(await callDaemon("credentials/trust", params), "trusted as its file says now");
}

/** Returns the error where the daemon tells no binding: the file is broken since it was read, or the daemon is old. */
async function whyNoBinding({ name, file }: CredentialDetails): Promise<AuthdError> {
  if (file === undefined) return await notTold(name, "what differs");
  const { mistakeIn } = await import("../config/config.ts");
  const mistake = mistakeIn({ dir: dirname(dirname(file)), env: process.env }, name);
  const why = mistake
    ? `${mistake.file}, ${mistake.message}; mend it: authd edit ${name}`
    : "its file could not be read just now; try again";
  return new AuthdError("credential_damaged", `${name}: nothing was trusted: ${why}`, {
    credential: name,
  });
}

/** Throws the error of one that can't be trusted, whatever a person says. */
function refuseUnreadable({ name, state, lastError }: CredentialDetails): void {
  if ((state !== "damaged" && state !== "locked") || !lastError) return;
  throw new AuthdError(lastError.reason, lastError.message, { credential: name });
}
