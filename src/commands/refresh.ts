import type { Command } from "commander";
import { announce } from "./announce.ts";
import { ask } from "./ask.ts";

export function define(command: Command): void {
  command.argument("<name>", "the credential").action(async (name: string) => {
    announce(await ask("credentials/refresh", { credential: name }), "refreshed");
  });
}

export const examples = ["authd refresh labelf"];
