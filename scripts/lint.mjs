// npm run lint: checks the sources (Biome, knip), then the package as npm packs it (publint, attw).
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bin, node, root, run, setup } from "./setup.mjs";

await setup();
node([bin("@biomejs/biome", "bin/biome"), "check", "."]);
node([bin("knip", "bin/knip.js")]);

// The package consists of compiled files.
node([join(root, "scripts/build.mjs")]);
const folder = mkdtempSync(join(tmpdir(), "authd-package-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder]);
const packed = join(folder, readdirSync(folder)[0]);
node([bin("publint", "src/cli.js"), "--strict", packed]);
// attw need not try how resolvers of before 2022 would find the types.
node([bin("@arethetypeswrong/cli", "dist/index.js"), "--profile", "node16", "--quiet", packed]);
