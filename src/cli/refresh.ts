import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { announce } from "./print-result.ts";

export function define(command: Command): void {
  command.argument("<name>", "the credential").action(async (name: string) => {
    announce(await callDaemon("credentials/refresh", { credential: name }), "refreshed");
  });
}

export const examples = ["authd refresh labelf"];
