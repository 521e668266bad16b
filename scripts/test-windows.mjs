// npm run test:windows: builds, and runs the tests of Windows under Wine; arguments go to AVA.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
await prepare();
process.env.AUTHD_TEST_ONLY = "windows";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);

/** Makes what all test files use, once. Where it can't be made, they say why. */
async function prepare() {
  const file = join(root, "dist/test/helpers/windows/distribution.js");
  const { lackingForWindows, windowsDistribution } = await import(pathToFileURL(file).href);
  if (lackingForWindows() !== undefined) return;
  await windowsDistribution().catch((error) => console.error(error.message));
}
