import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { announce } from "./print-result.ts";

export function define(command: Command): void {
  command.argument("<name>", "the credential").action(async (name: string) => {
    announce(
      await callDaemon("credentials/trust", { credential: name }),
      "trusted as its file says now",
    );
  });
}

export const examples = ["authd show labelf && authd trust labelf"];
