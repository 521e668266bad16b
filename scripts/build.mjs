// Compiles src, test and bench to dist, copies data files, and removes outputs whose source is gone.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { root } from "./setup.mjs";

const dist = join(root, "dist");
const files = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true }).filter((name) =>
        statSync(join(folder, name)).isFile(),
      )
    : [];

for (const name of files(dist)) {
  const source = join(root, name).replace(/\.d\.ts$|\.js$/, ".ts");
  if (!existsSync(source)) rmSync(join(dist, name));
}
const { status } = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc")], {
  cwd: root,
  stdio: "inherit",
});
await bundle("src/zod.js", "zod");
for (const name of files(join(root, "src"))) {
  if (!name.endsWith(".ts")) cpSync(join(root, "src", name), join(dist, "src", name));
}
const main = join(dist, "src/main.js");
if (existsSync(main)) chmodSync(main, 0o755);
process.exitCode = status ?? 1;

// Makes one file of a module of ours that re-exports parts of a package, with nothing else of it.
async function bundle(name, packageName) {
  const { build } = await import("esbuild");
  const licence = readFileSync(join(root, "node_modules", packageName, "LICENSE"), "utf8");
  await build({
    entryPoints: [join(dist, name)],
    outfile: join(dist, name),
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    minifyWhitespace: true,
    banner: { js: `/*! Contains ${packageName}:\n${licence.replaceAll("*/", "* /")}*/` },
    logLevel: "warning",
  });
}
