// npm test: installs, builds (which checks types), lints, and runs the tests; arguments go to AVA.
import { join } from "node:path";
import { node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
node([join(root, "node_modules/@biomejs/biome/bin/biome"), "check", "."]);
node([join(root, "node_modules/ava/entrypoints/cli.mjs"), ...process.argv.slice(2)]);
