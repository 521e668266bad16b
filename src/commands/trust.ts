import type { Command } from "commander";
import { announce } from "./announce.ts";
import { ask } from "./ask.ts";

export function define(command: Command): void {
  command.argument("<name>", "the credential").action(async (name: string) => {
    announce(await ask("credentials/trust", { credential: name }), "trusted as its file says now");
  });
}

export const examples = ["authd show labelf && authd trust labelf"];
