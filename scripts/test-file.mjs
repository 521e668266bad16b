// npm run test:file FILE…: builds, and runs the test files with these paths (test/credential/token.ts); the
// options after them go to AVA.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { bin, node, root, setup } from "./setup.mjs";

const args = process.argv.slice(2);
const compiled = (name) => `dist/${name.replace(/\.ts$/, ".js")}`;
const isSource = (arg) => arg.endsWith(".ts") && !arg.startsWith("-");
const sources = args.filter(isSource).map((file) => relative(root, file));
const missing = sources.find((name) => !existsSync(join(root, name)) || !/^test\//.test(name));
if (sources.length === 0 || missing !== undefined) {
  const trouble = missing === undefined ? "name a test file" : `${missing} is no test file`;
  console.error(`${trouble}: npm run test:file test/credential/token.ts`);
  process.exit(2);
}
await setup();
node([join(root, "scripts/build.mjs")]);
const options = args.filter((arg) => !isSource(arg));
node([bin("ava", "entrypoints/cli.mjs"), ...options, ...sources.map(compiled)]);
