// npm run man: writes man/*.1 out of the compiled commands; a test says when they are out of date.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { manPages } from "../dist/src/cli/man-pages.js";
import { root } from "./setup.mjs";

const folder = join(root, "man");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const [name, text] of await manPages()) writeFileSync(join(folder, name), text);
