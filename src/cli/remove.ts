import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { print } from "./output.ts";
import { confirmed, interactive } from "./prompts.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("-y, --yes", "do not ask first")
    .action(remove);
}

export const examples = ["authd remove labelf"];

async function remove(name: string, { yes = false }: { yes?: boolean }): Promise<void> {
  // Before the question: nobody should confirm the removal of what is not there.
  await callDaemon("credentials/show", { credential: name });
  if (!yes && interactive()) {
    const sure = await confirmed(`Remove ${name}, its file, its secrets and its tokens?`);
    if (!sure) {
      print(`${name} is still there.`);
      process.exitCode = EXIT.failed;
      return;
    }
  }
  await callDaemon("credentials/remove", { credential: name });
  print(`${name} is removed.`);
}
