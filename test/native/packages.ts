/** The packages of a release, as npm installs them: the native command comes with the main one, without install scripts. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { run } from "../helpers/child.ts";
import { makeHome } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/;
const PLATFORM = `${process.platform}-${process.arch}`;

test("the native command has the package's version", (t) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const manifest = readFileSync(join(ROOT, "native/Cargo.toml"), "utf8");
  t.is(/^version = "(.*)"$/m.exec(manifest)?.[1], version);
});

test("the tarballs install, and the native command is found, linked and known", async (t) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const tarballs = temporaryFolder(t);
  const script = join(ROOT, "scripts/native-packages.mjs");
  const made = await run(t, process.execPath, [script, tarballs]);
  t.is(made.code, 0, made.stderr);
  const names = readdirSync(tarballs);
  const [main, platform] = [`authd-${version}.tgz`, `authd-${PLATFORM}-${version}.tgz`];
  t.true(names.includes(main) && names.includes(platform), names.join(" "));

  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "package.json"), '{"private":true}');
  // Of what is published nothing is needed but the dependencies; the package of the platform is this one.
  const files = [main, platform].map((name) => join(tarballs, name));
  const options = ["--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1"];
  const installed = await run(t, "npm", ["install", "--ignore-scripts", ...options, ...files], {
    cwd: folder,
  });
  if (NO_REGISTRY.test(installed.stderr)) return missing(t, "npm's registry can't be reached");
  t.is(installed.code, 0, installed.stderr);
  const packages = join(folder, "node_modules");
  const manifest = JSON.parse(readFileSync(join(packages, "authd/package.json"), "utf8"));
  t.is(manifest.optionalDependencies[`authd-${PLATFORM}`], version);
  t.is(manifest.scripts, undefined);

  const native = join(packages, `authd-${PLATFORM}/authd`);
  const home = makeHome(t);
  const { code, stderr } = await run(t, native, ["get", "nothing"], { env: home.env });
  t.is(code, 3, stderr);
  const authd = join(packages, ".bin/authd");
  const { stdout } = await run(t, authd, ["doctor", "--json"], {
    env: { ...home.env, PATH: `${join(packages, ".bin")}:${process.env.PATH}` },
  });
  const { findings } = JSON.parse(stdout) as { findings: { about: string; message: string }[] };
  const command = findings.find(({ about }) => about === "command");
  t.true(command?.message.includes(`the native one is ${native}`), command?.message);
});
