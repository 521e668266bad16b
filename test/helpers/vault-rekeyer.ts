/**
 * Opens the vault DIR and rekeys it to SOURCE while its records change all the time; ends itself
 * with SIGKILL before the change STEP to the disk, a number or what is done. Says which versions were written for certain, and
 * `done` if it was not killed.
 */
import { openVault } from "../../src/vault/index.ts";
import type { KeySource } from "../../src/vault/vault.ts";
import { watchSteps } from "./disk-steps.ts";

const [dir = "", to = "", passphrase = "", last = ""] = process.argv.slice(2);
const names = ["labelf", "listings", "zebbra"];
let steps = Number.NEGATIVE_INFINITY;
await watchSteps((step) => {
  if (++steps < 0) return;
  if (steps === Number(last) || step.startsWith(last)) process.kill(process.pid, "SIGKILL");
});
const log = { info: () => undefined, warn: () => undefined };
const vault = await openVault<{ version: number }>({
  dir,
  keySource: "auto",
  env: process.env,
  passphrase: async () => passphrase,
  log,
});
if (vault.locked !== undefined) throw new Error(vault.locked);

let going = true;
const change = async (name: string) => {
  for (let version = (vault.read(name)?.version ?? 0) + 1; going; version++) {
    await vault.write(name, { version }, { durable: true });
    // Synchronously: what is said was written, whenever the end comes.
    process.stdout.write(`${name}=${version}\n`);
    await new Promise((resume) => setTimeout(resume, 2));
  }
};
const changing = names.map(change);
steps = 0;
const { damaged } = await vault.rekey(to as KeySource, `new ${passphrase}`);
going = false;
await Promise.all(changing);
await vault.close();
process.stdout.write(`done after ${steps} with ${damaged.length} damaged\n`);
