/** Writes versions 1 to 200 of one credential to the vault named in argv, then waits to be killed. */
import { openVault } from "../../src/vault/index.ts";

const log = { info: () => undefined, warn: () => undefined };
const vault = await openVault<{ version: number; filling: string }>({
  dir: process.argv[2]!,
  keySource: "file",
  env: {},
  log,
});
for (let version = 1; version <= 200; version++) {
  await vault.write(
    "labelf",
    { version, filling: String(version % 10).repeat(20_000) },
    { durable: version % 2 === 0 },
  );
  console.log(`wrote ${version}.`);
}
setInterval(() => undefined, 60_000);
