/** What `npm pack` makes, as somebody has it who installs it. */

import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { copyCheckout } from "../helpers/checkout.ts";
import { type Running, run, start } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { missing } from "../helpers/optional.ts";
import { ROOT } from "../helpers/sources.ts";

const { version, man } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  version: string;
  man: string[];
};
const NO_REGISTRY = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED/;

/** A program of somebody who uses the package; `credential` and a URL are its arguments. */
const CONSUMER = `
import { AuthdError, type CredentialInfo, connect, type GetTokenResult } from "authd";

const [credential = "", url = ""] = process.argv.slice(2);
const authd = connect();
const { accessToken, headers }: GetTokenResult = await authd.getToken({ credential });
// @ts-expect-error A credential is needed.
void ((): unknown => authd.getToken({}));
const { credentials } = await authd.request("credentials/list", {});
const names = credentials.map((info: CredentialInfo): string => info.name);
const { status } = await authd.authorizedRequest({ credential, url });
const response: Response = await authd.authorizedFetch(credential)(url);
const reason = await authd.getToken({ credential: "none" }).catch((error: unknown) => {
  return error instanceof AuthdError ? error.reason : String(error);
});
authd.close();
console.log(JSON.stringify({ accessToken, headers, names, status, fetched: response.status, reason }));
`;

/** The same in CommonJS, by its two imports of TypeScript. */
const CONSUMER_CTS = `
import { AuthdError, connect, type Reason } from "authd";
import { axiosAdapter } from "authd/axios";
import { AuthdDispatcher } from "authd/undici";
import authd = require("authd");

const [, , credential = "", url = ""] = process.argv;
const client: authd.Client = connect();
async function main(): Promise<void> {
  const { status } = await client.authorizedFetch(credential)(url);
  const dispatcher = new AuthdDispatcher(client, credential);
  const { statusCode } = await dispatcher.request({ origin: new URL(url).origin, path: new URL(url).pathname, method: "GET" });
  const reason: unknown = await client.getToken({ credential: "none" }).catch((error: unknown) => {
    return error instanceof AuthdError ? (error.reason satisfies Reason) : String(error);
  });
  client.close();
  console.log(JSON.stringify({ status, statusCode, reason, adapter: typeof axiosAdapter }));
}
void main();
`;

/** Ways in which programs are compiled: the module kinds, and the files of each. */
const COMPILED = [
  { module: "nodenext", files: ["consumer.ts", "consumer.cts"] },
  { module: "node16", files: ["consumer.ts", "consumer.cts"] },
  { module: "preserve", moduleResolution: "bundler", noEmit: true, files: ["consumer.ts"] },
];

const tsconfig = ({ files, ...how }: (typeof COMPILED)[number]) => ({
  compilerOptions: {
    ...how,
    target: "es2023",
    lib: ["es2023"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules/@types")],
  },
  files,
});

/** The path of the tarball that npm makes of a checkout; its prepack script builds. */
async function pack(t: ExecutionContext): Promise<string> {
  const folder = temporaryFolder(t);
  const { code, stderr } = await run(t, "npm", ["pack", "--silent", "--pack-destination", folder], {
    cwd: copyCheckout(t),
  });
  t.is(code, 0, stderr);
  t.deepEqual(readdirSync(folder), [`authd-${version}.tgz`]);
  return join(folder, `authd-${version}.tgz`);
}

function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(join(ROOT, path)).isFile());
}

/** Compiled sources, the files that the command is made of, their data, and what people read or hand to their system. */
function expectedFiles(): string[] {
  const compiled = filesBelow("src").flatMap((path) => {
    const name = join("dist", path);
    return path.endsWith(".ts") ? [name.replace(/ts$/, "js"), name.replace(/ts$/, "d.ts")] : [name];
  });
  const commonJs = ["client", "client/axios", "client/undici"].map(
    (name) => `dist/src/${name}.cjs`,
  );
  const types = ["errors", "protocol", "rpc/daemon-connection", "rpc/fetch"];
  const typesOfCommonJs = ["client", "client/axios", "client/undici", ...types].map(
    (name) => `dist/src/${name}.d.cts`,
  );
  const rest = ["dist/src/chunks", "docs", "kubernetes", "launchd", "schemas", "systemd"].flatMap(
    filesBelow,
  );
  const top = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
  return [...compiled, ...commonJs, ...typesOfCommonJs, ...rest, ...man, ...top].sort();
}

/** Installs the tarball into an empty project; undefined, with the test ended, without a registry. */
async function install(t: ExecutionContext, tarball: string): Promise<string | undefined> {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "package.json"), '{"private":true,"type":"module"}');
  // npm test has just filled npm's cache.
  const { code, stderr } = await run(
    t,
    "npm",
    ["install", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1", tarball],
    { cwd: folder },
  );
  if (code === 0) return folder;
  if (NO_REGISTRY.test(stderr)) missing(t, "npm's registry can't be reached");
  else t.fail(stderr);
  return undefined;
}

/** The installed program's sandbox. */
async function startSandbox(t: ExecutionContext, folder: string) {
  const TMPDIR = join(folder, "tmp");
  mkdirSync(TMPDIR);
  const authd = join(folder, "node_modules/.bin/authd");
  const sandbox: Running = start(t, authd, ["sandbox", "--json"], {
    env: { ...process.env, TMPDIR },
  });
  const { socket, apis } = JSON.parse(await sandbox.says("\n")) as {
    socket: string;
    apis: { name: string; example: { url: string } }[];
  };
  const env = { ...process.env, AUTHD_SOCKET: socket };
  return { sandbox, env, url: apis.find(({ name }) => name === "zebbra")!.example.url, TMPDIR };
}

test("the packed package has these files, installs, runs and has types", async (t) => {
  const tarball = await pack(t);
  const { stdout: listed } = await run(t, "tar", ["-tzf", tarball]);
  const files = listed.trim().split("\n");
  t.deepEqual(files.map((name) => name.replace(/^package\//, "")).sort(), expectedFiles());

  const folder = await install(t, tarball);
  if (!folder) return;
  const here = (command: string, args: readonly string[], env = process.env) =>
    run(t, command, args, { cwd: folder, env });
  t.is((await here("npx", ["authd", "--version"])).stdout, `${version}\n`);

  writeFileSync(join(folder, "consumer.ts"), CONSUMER);
  writeFileSync(join(folder, "consumer.cts"), CONSUMER_CTS);
  for (const how of COMPILED) {
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig(how)));
    const tsc = await here(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc")]);
    t.is(tsc.code, 0, `${how.module}: ${tsc.stdout}`);
  }

  const { sandbox, env, url, TMPDIR } = await startSandbox(t, folder);
  const consumer = await here(process.execPath, ["consumer.js", "zebbra", url], env);
  t.is(consumer.code, 0, consumer.stderr);
  const said = JSON.parse(consumer.stdout) as { accessToken: string };
  const { accessToken } = said;
  t.like(said, {
    accessToken,
    headers: { authorization: `Bearer ${accessToken}` },
    names: ["labelf", "onestepai", "realtyna", "zebbra"],
    status: 200,
    fetched: 200,
    reason: "unknown_credential",
  });
  const required = await here(process.execPath, ["consumer.cjs", "zebbra", url], env);
  t.is(required.code, 0, required.stderr);
  t.deepEqual(JSON.parse(required.stdout), {
    ...{ status: 200, statusCode: 200, reason: "unknown_credential", adapter: "function" },
  });
  const got = await here("npx", ["authd", "get", "zebbra"], env);
  t.is(got.stdout, `${accessToken}\n`);
  sandbox.child.kill("SIGTERM");
  t.is((await sandbox.ended).code, 0);
  t.deepEqual(readdirSync(TMPDIR), []);
});
