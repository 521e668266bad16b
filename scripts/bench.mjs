// npm run bench: installs, builds, and measures everything that has a target. --quick: only to see that it works.
import { join } from "node:path";
import { node, root, setup } from "./setup.mjs";

await setup();
node([join(root, "scripts/build.mjs")]);
node([join(root, "dist/bench/all.js"), ...process.argv.slice(2)]);
