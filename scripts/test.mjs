// npm test: installs, lints, builds (which checks types), and runs the tests; arguments go to AVA.
import { join } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/lint.mjs")]);
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
