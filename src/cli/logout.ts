import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { print } from "./output.ts";
import { plain } from "./style.ts";

export function define(command: Command): void {
  command.argument("<name>", "the credential").action(logout);
}

export const examples = ["authd logout mail"];

async function logout(name: string): Promise<void> {
  const { detail } = await callDaemon("credentials/logout", { credential: name });
  print(`${name} is signed out: ${plain(detail)}.`);
}
