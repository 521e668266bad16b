// npm run native:packages [FOLDER]: makes the tarballs of a release: one of the native command for each platform that cargo
// can build for here, and the package itself, which names them as optional dependencies. npm takes the one that
// fits, and no install script runs. package.json of the sources names none: npm ci needs no registry that has them.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { cargo, crate } from "./build-native.mjs";
import { hasTarget, isHost, PLATFORMS } from "./native-platforms.mjs";
import { root, run } from "./setup.mjs";

const main = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const out = resolve(process.argv[2] ?? join(crate, "target/packages"));
const work = mkdtempSync(join(tmpdir(), "authd-packages-"));
try {
  mkdirSync(out, { recursive: true });
  const built = Object.keys(PLATFORMS).filter((name) => canBuild(name));
  for (const name of built) packPlatform(name);
  packMain(built);
  const left = Object.keys(PLATFORMS).filter((name) => !built.includes(name));
  console.log(`made in ${out}: authd, ${built.join(", ")}`);
  if (left.length > 0)
    console.log(`not built, for want of its target or linker: ${left.join(", ")}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** True if cargo has what it needs for the platform, and the program that links for it is there. */
function canBuild(name) {
  const { linker } = PLATFORMS[name];
  if (!hasTarget(name)) return false;
  return isHost(name) || (linker !== undefined && spawnSync(linker, ["--version"]).status === 0);
}

function packPlatform(name) {
  const { target, linker } = PLATFORMS[name];
  const variable = `CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}_LINKER`;
  if (linker && !isHost(name)) process.env[variable] = linker;
  cargo("build", "--release", "--locked", "--offline", "--quiet", "--target", target);
  const [os, cpu] = name.split("-");
  const program = os === "win32" ? "authd.exe" : "authd";
  const folder = join(work, name);
  mkdirSync(folder);
  copyFileSync(join(crate, "target", target, "release", program), join(folder, program));
  chmodSync(join(folder, program), 0o755);
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  const description = `authd's native command for ${name}; the package authd has the rest`;
  const manifest = {
    ...{ name: `authd-${name}`, version: main.version, description, license: main.license },
    ...{ os: [os], cpu: [cpu], files: [program], preferUnplugged: true },
  };
  pack(folder, manifest);
}

/** Packs the package as `npm pack` has it, with one more member in its package.json. */
function packMain(names) {
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", work]);
  run("tar", ["-xzf", join(work, `authd-${main.version}.tgz`), "-C", work]);
  const folder = join(work, "package");
  const {
    devDependencies: _,
    scripts: __,
    ...rest
  } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const optionalDependencies = Object.fromEntries(
    names.map((name) => [`authd-${name}`, main.version]),
  );
  pack(folder, { ...rest, optionalDependencies });
}

function pack(folder, manifest) {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", out], {
    cwd: folder,
    stdio: ["ignore", 2, 2],
  });
}
