import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.ts";
import { absent } from "./optional.ts";
import type { Scope } from "./scope.ts";
import { cacheFolder } from "./tool-packages.ts";

/** A Debian with git 2.47, and its packages without what is installed here. */
const SUITE = "trixie";
/** Programs of git's own folder that it starts to fetch and serve. */
const PROGRAMS = ["git-remote-http", "git-remote-https", "git-http-backend"];

/**
 * Returns a folder for the PATH with the git of a newer Debian, which is fetched once and runs with its own libraries;
 * or why it can't be had.
 */
export async function newerGit(t: Scope): Promise<{ bin: string } | string> {
  if (absent("apt-get", "dpkg-deb").length > 0) return "there is no apt-get to fetch a newer git";
  const folder = cacheFolder("debian", [SUITE, "git"]);
  const bin = join(folder, "bin");
  if (readdirSync(folder).includes("bin")) return { bin };
  const apt = await fetchPackages(t, folder);
  if (apt !== undefined) return apt;
  const tree = join(folder, "tree");
  const archives = join(folder, "cache/archives");
  for (const name of readdirSync(archives).filter((each) => each.endsWith(".deb")))
    await run(t, "dpkg-deb", ["-x", join(archives, name), tree]);
  writePrograms(tree, `${bin}.new`);
  renameSync(`${bin}.new`, bin);
  return { bin };
}

/** Downloads git and all that it needs, by lists and a state of their own. Resolves with what went wrong. */
async function fetchPackages(t: Scope, folder: string): Promise<string | undefined> {
  for (const name of ["lists/partial", "cache/archives/partial", "tree"])
    mkdirSync(join(folder, name), { recursive: true });
  const list = join(folder, "sources.list");
  writeFileSync(list, `deb http://deb.debian.org/debian ${SUITE} main\n`);
  writeFileSync(join(folder, "status"), "");
  const settings = {
    "Dir::Etc::sourcelist": list,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Cache": join(folder, "cache"),
    "APT::Sandbox::User": "root",
    "Debug::NoLocking": "1",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const install = ["install", "--yes", "--no-install-recommends", "--download-only", "git"];
  for (const words of [["update"], install]) {
    const { code, stderr } = await run(t, "apt-get", ["--quiet", ...options, ...words]);
    if (code !== 0) return `apt-get ${words[0]} of ${SUITE}: ${stderr}`;
  }
  return undefined;
}

/** Writes a script for each program, which runs it by the loader of the same tree. */
function writePrograms(tree: string, folder: string): void {
  const libraries = join(tree, "usr/lib", only(join(tree, "usr/lib"), /-linux-gnu/));
  const loader = join(libraries, only(libraries, /^ld-linux.*\.so/));
  mkdirSync(folder, { recursive: true });
  for (const name of ["git", ...PROGRAMS]) {
    const path = join(tree, name === "git" ? "usr/bin" : "usr/lib/git-core", name);
    const words = [loader, "--library-path", libraries, "--argv0", name, path];
    const script = `#!/bin/sh\nGIT_EXEC_PATH=\${0%/*} exec ${words.map((word) => `'${word}'`).join(" ")} "$@"\n`;
    writeFileSync(join(folder, name), script, { mode: 0o755 });
  }
}

function only(folder: string, pattern: RegExp): string {
  const found = readdirSync(folder).find((name) => pattern.test(name));
  if (found === undefined) throw new Error(`${folder} has no ${pattern}`);
  return found;
}
