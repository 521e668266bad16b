/** npm, pnpm and Yarn, the last two from npm's registry, at a registry on loopback. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type Api, startApi } from "../helpers/api.ts";
import { type Ended, run } from "../helpers/child.ts";
import { MAIN } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { FileScope } from "../helpers/scope.ts";
import { startToolDaemon, type ToolDaemon } from "../helpers/tool-daemon.ts";
import { npmPackages } from "../helpers/tool-packages.ts";

const scope = new FileScope();
let daemon: ToolDaemon;
let bin: string;
let registry: Api;

test.before(async () => {
  bin = npmPackages("pnpm@10.34.9", "@yarnpkg/cli-dist@4.18.1");
  daemon = await startToolDaemon(scope);
  registry = await startRegistry("Bearer practice-1");
  await daemon.addExpiring("packages", `origins=${registry.origin}`);
});
test.after.always(() => scope.end());

/** Packs a package without a file of its own. */
function packPackage(): Buffer {
  const folder = temporaryFolder(scope);
  mkdirSync(join(folder, "package"));
  const manifest = { name: "tiny-package", version: "1.0.0" };
  writeFileSync(join(folder, "package", "package.json"), JSON.stringify(manifest));
  execFileSync("tar", ["-czf", join(folder, "packed.tgz"), "-C", folder, "package"]);
  return readFileSync(join(folder, "packed.tgz"));
}

/** Starts a registry with one package, for nobody without this header. */
async function startRegistry(authorization: string): Promise<Api> {
  const packed = packPackage();
  const digest = createHash("sha512").update(packed).digest("base64");
  return await startApi(scope, ({ url, headers }, response) => {
    if (headers.authorization !== authorization) {
      response.statusCode = 401;
      return response.end();
    }
    if (url.endsWith(".tgz")) return response.end(packed);
    const tarball = `http://${headers.host}/npm/tiny-package/-/tiny-package-1.0.0.tgz`;
    const dist = { tarball, integrity: `sha512-${digest}` };
    const version = { name: "tiny-package", version: "1.0.0", dist };
    response.setHeader("content-type", "application/json");
    return response.end(
      JSON.stringify({
        name: "tiny-package",
        "dist-tags": { latest: "1.0.0" },
        versions: { "1.0.0": version },
      }),
    );
  });
}

/** Makes a project that needs the package, and installs it with this program. */
function installWith(program: string, ...files: readonly ProjectFile[]) {
  const cwd = makeProject(...files);
  const env = { ...daemon.env, CI: "", YARN_ENABLE_TELEMETRY: "0" };
  return async (): Promise<Ended> =>
    await run(scope, process.execPath, [join(bin, program), "install"], { cwd, env });
}

type ProjectFile = readonly [name: string, content: string];

function makeProject(...files: readonly ProjectFile[]): string {
  const folder = join(temporaryFolder(scope), "project");
  mkdirSync(folder);
  const manifest = { name: "project", dependencies: { "tiny-package": "1.0.0" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  for (const [name, content] of files) writeFileSync(join(folder, name), content);
  return folder;
}

test.serial("pnpm installs from a registry that wants a token", async (t) => {
  const install = installWith("pnpm", [".npmrc", `registry=${registry.origin}/npm/\n`]);
  t.not((await install()).code, 0);
  const target = `${registry.origin.replace("http://", "")}/npm`;
  const installed = await daemon.cli(["helper", "install", "pnpm", "--for", `${target}=packages`]);
  t.is(installed.code, 0, installed.stderr);
  const { code, stdout, stderr } = await install();
  t.is(code, 0, stdout + stderr);
});

test.serial("Yarn installs from a registry that wants a token", async (t) => {
  const settings = `nodeLinker: node-modules
npmRegistryServer: "${registry.origin}/npm"
npmAlwaysAuth: true
npmMinimalAgeGate: 0
unsafeHttpWhitelist: ["127.0.0.1"]
`;
  const install = installWith("yarn", [".yarnrc.yml", settings], ["yarn.lock", ""]);
  t.not((await install()).code, 0);
  const installed = await daemon.cli(["helper", "install", "yarn"]);
  t.is(installed.code, 0, installed.stderr);
  const { code, stdout, stderr } = await install();
  t.is(code, 0, stdout + stderr);
});

test.serial("npm installs with a token in a variable", async (t) => {
  const host = registry.origin.replace("http:", "");
  const npmrc = `registry=${registry.origin}/npm/\n${host}/npm/:_authToken=\${NPM_TOKEN}\n`;
  const cwd = makeProject([".npmrc", npmrc]);
  const npm = ["npm", "install", "--no-audit", "--no-fund"];
  const words = [MAIN, "exec", "--env", "NPM_TOKEN=packages", "--", ...npm];
  const { code, stdout, stderr } = await run(t, process.execPath, words, { cwd, env: daemon.env });
  t.is(code, 0, stdout + stderr);
});
