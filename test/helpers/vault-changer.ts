/**
 * Opens the vault DIR and has a person change, remove and add its records; ends itself with SIGKILL
 * before the change STEP to the disk. Says what is done for certain, and `done` if it was not killed.
 */
import { openVault } from "../../src/vault/index.ts";
import { watchSteps } from "./disk-steps.ts";

const [dir = "", last = ""] = process.argv.slice(2);
let steps = Number.NEGATIVE_INFINITY;
await watchSteps(() => {
  if (++steps === Number(last)) process.kill(process.pid, "SIGKILL");
});
const log = { info: () => undefined, warn: () => undefined };
const vault = await openVault<{ secret: string }>({ dir, keySource: "file", env: {}, log });
/** Synchronously: what is said was done, whenever the end comes. */
const say = (line: string) => process.stdout.write(`${line}\n`);
const change = { durable: true, isChange: true };
steps = 0;
for (const version of ["two", "three"]) {
  await vault.write("labelf", { secret: version }, change);
  say(`labelf=${version}`);
}
await vault.remove("zebbra");
say("zebbra=");
await vault.write("zebbra", { secret: "again" }, change);
say("zebbra=again");
await vault.close();
say("done");
