import { join } from "node:path";
import type { Command } from "commander";
import { stateDir } from "../config/directories.ts";
import { statedSource } from "../vault/header.ts";
import { callDaemon } from "./call-daemon.ts";
import { print } from "./output.ts";
import { type PassphraseOptions, passphraseOf } from "./vault/passphrase.ts";

export function define(command: Command): void {
  command
    .option("--passphrase-from <file>", "out of a file or - for a pipe, instead of a terminal")
    .action(unlock);
}

export const examples = ["authd unlock"];

async function unlock(options: PassphraseOptions): Promise<void> {
  // Before the question: the daemon may not be there, or the vault be open.
  const { vaultKey, lock } = await callDaemon("status", {});
  if (lock && !lock.locked) return print("The vault is open.");
  await callDaemon("unlock", vaultKey === "passphrase" ? { passphrase: await asked(options) } : {});
  print("The vault is open.");
}

/** A vault that is yet to be made is given a passphrase: there is no way back from a slip. */
async function asked(options: PassphraseOptions): Promise<string> {
  const isNew = statedSource(join(stateDir(process.env), "vault")) === undefined;
  return await passphraseOf(options, { label: "Passphrase of the vault", isNew });
}
