// npm run test:store: builds, and runs the tests of a store on a real PostgreSQL; arguments go to AVA.
import { join } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
process.env.AUTHD_TEST_ONLY = "store";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
