// Compiles src, test and bench, and copies data files. All is made beside dist first, then only what
// differs is moved there: what runs from dist meanwhile never finds half a file or none.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { buildCommonJs } from "./build-commonjs.mjs";
import { root } from "./setup.mjs";
import { takeTurn } from "./turn.mjs";

const dist = join(root, "dist");
const fresh = join(root, ".dist");
const release = await takeTurn(join(root, ".turn"));
try {
  rmSync(fresh, { recursive: true, force: true });
  if (compile()) {
    await bundle("src/base/zod.js", "zod");
    await buildCommonJs(join(fresh, "src"));
    await bundleCommand();
    copyData();
    chmodSync(join(fresh, "src/main.js"), 0o755);
    moveChanged();
  } else process.exitCode = 1;
} finally {
  rmSync(fresh, { recursive: true, force: true });
  release();
}

function compile() {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const args = [tsc, "--outDir", fresh];
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status === 0;
}

// Makes few files of all that the command and the daemon load: each module by itself takes some 30 kB of memory and
// a fifth of a millisecond. What is imported late stays apart. The modules remain, for tests and for the client.
async function bundleCommand() {
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(fresh, "src/main.js")],
    outdir: join(fresh, "src"),
    chunkNames: "chunks/[name]-[hash]",
    allowOverwrite: true,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    packages: "external",
    logLevel: "warning",
  });
}

// Makes one file of a module of ours that re-exports parts of a package, with nothing else of it.
async function bundle(name, packageName) {
  const { build } = await import("esbuild");
  const licence = readFileSync(join(root, "node_modules", packageName, "LICENSE"), "utf8");
  await build({
    entryPoints: [join(fresh, name)],
    outfile: join(fresh, name),
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

function copyData() {
  for (const name of filesIn(join(root, "src"))) {
    if (!name.endsWith(".ts")) cpSync(join(root, "src", name), join(fresh, "src", name));
  }
}

function moveChanged() {
  const names = filesIn(fresh);
  const changed = names.filter((name) => differs(join(fresh, name), join(dist, name)));
  // The command comes last: all that it loads is there then.
  const isCommand = (name) => Number(name === join("src", "main.js"));
  for (const name of changed.toSorted((one, other) => isCommand(one) - isCommand(other))) {
    mkdirSync(dirname(join(dist, name)), { recursive: true });
    renameSync(join(fresh, name), join(dist, name));
  }
  const made = new Set(names);
  for (const name of filesIn(dist)) if (!made.has(name)) rmSync(join(dist, name));
}

function differs(one, other) {
  if (!existsSync(other) || statSync(one).mode !== statSync(other).mode) return true;
  return !readFileSync(one).equals(readFileSync(other));
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true });
  return names.filter((name) => statSync(join(folder, name)).isFile());
}
