// npm run test:servers: builds, and runs the tests at real servers, with a real browser; arguments go to AVA.
import { join } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
process.env.AUTHD_TEST_ONLY = "servers";
node([bin("ava", "entrypoints/cli.mjs"), ...process.argv.slice(2)]);
