// npm run test:clients: builds, and runs the clients of other languages by the conformance suite, with real libraries
// of theirs; arguments go to AVA.
import { join } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
process.env.AUTHD_TEST_ONLY = "clients";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
