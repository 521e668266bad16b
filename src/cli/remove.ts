import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { print } from "./output.ts";
import { confirmed, interactive } from "./prompts.ts";
import { plain } from "./style.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("-y, --yes", "do not ask first")
    .action(remove);
}

export const examples = ["authd remove labelf"];

async function remove(name: string, { yes = false }: { yes?: boolean }): Promise<void> {
  // Before the question: nobody should confirm the removal of what is not there.
  const { login } = await callDaemon("credentials/show", { credential: name });
  if (!yes && interactive()) {
    const sure = await confirmed(`Remove ${name}, its file, its secrets and its tokens?`);
    if (!sure) {
      print(`${name} is still there.`);
      process.exitCode = EXIT.failed;
      return;
    }
  }
  if (login?.signedInAt !== undefined) await offerLogout(name, yes);
  const { detail } = await callDaemon("credentials/remove", { credential: name });
  print(`${name} is removed${detail === undefined ? "" : `; ${plain(detail)}`}.`);
}

/** Offers to revoke a sign-in at the issuer: without a person to ask it is told how. */
async function offerLogout(name: string, yes: boolean): Promise<void> {
  if (yes || !interactive()) {
    const text = `authd: ${name}: its tokens are not revoked at the issuer; authd logout ${name} before authd remove does that`;
    process.stderr.write(`${text}\n`);
    return;
  }
  if (!(await confirmed(`Revoke its tokens at the issuer first?`))) return;
  const { detail } = await callDaemon("credentials/logout", { credential: name });
  print(`${name} is signed out: ${plain(detail)}.`);
}
