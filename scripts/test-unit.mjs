// npm run test:unit: builds, and runs the tests that start no process; arguments go to AVA.
import { join } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";
import { unitTests } from "./unit-tests.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
const guard = `--node-arguments=--import=${join(root, "scripts/no-processes.mjs")}`;
node([bin("ava", "entrypoints/cli.mjs"), guard, ...process.argv.slice(2), ...unitTests()]);
