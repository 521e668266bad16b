// npm run fuzz: builds, and tries new inputs for ten minutes; arguments go to the fuzzer (--minutes 1).
import { join } from "node:path";
import { node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
node([join(root, "dist/bench/fuzz.js"), ...process.argv.slice(2)]);
