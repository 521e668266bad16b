// npm run test:servers: builds, and runs the tests at real servers, with a real browser; arguments go to AVA.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
process.env.AUTHD_TEST_ONLY = "servers";
await shareKeycloak();
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);

/** Starts one Keycloak for all test files, which ends with this process. Where it can't run, they say why. */
async function shareKeycloak() {
  const file = join(root, "dist/test/helpers/keycloak/server.js");
  const { launchKeycloak } = await import(pathToFileURL(file).href);
  const server = await launchKeycloak().catch((error) => console.error(error.message));
  if (!server) return;
  const folder = mkdtempSync(join(tmpdir(), "authd-keycloak-"));
  process.on("exit", () => {
    server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
  process.env.AUTHD_TEST_KEYCLOAK = join(folder, "address.json");
  writeFileSync(process.env.AUTHD_TEST_KEYCLOAK, JSON.stringify(server.address), { mode: 0o600 });
}
