// npm run test:tools: builds, and runs the tests of helpers with the real tools; arguments go to AVA.
import { join } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
process.env.AUTHD_TEST_ONLY = "tools";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
