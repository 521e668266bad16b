/** `authd token-file` against a real daemon: restarts, locks, sign-outs and the end of a credential. */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type DaemonOptions, startDaemon } from "../helpers/daemon.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { until } from "../helpers/until.ts";

async function setup(t: ExecutionContext, options: DaemonOptions = {}) {
  let count = 0;
  const issuer = await startIssuer(t, () => ({
    json: { access_token: `token-${++count}`, token_type: "bearer", expires_in: 3600 },
  }));
  const daemon = await startDaemon(t, options);
  const settings = { token_url: issuer.url, client_id: "me" };
  const secrets = { client_secret: "practice" };
  const credential = { credential: { grant: "client_credentials", settings, secrets } };
  const folder = join(daemon.folder, "files");
  mkdirSync(folder, { mode: 0o700 });
  return { daemon, issuer, credential, folder, path: join(folder, "token") };
}

const content = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

test("keeps a file, shows it, goes on after a restart, and ends with the credential", async (t) => {
  const { daemon, credential, folder, path } = await setup(t);
  const { cli } = daemon;
  await daemon.add("demo", credential);
  t.is((await cli(["token-file", "--list"])).stdout.split(".")[0], "No files");
  const added = await cli(["token-file", "demo", path, "--mode", "0640"]);
  t.is(added.code, 0, added.stderr);
  t.regex(added.stdout, /holds demo's token, and authd keeps it current/);
  t.is(content(path), "token-1");
  t.is(statSync(path).mode & 0o777, process.platform === "win32" ? 0o666 : 0o640);
  t.is((await cli(["refresh", "demo"])).code, 0);
  await until(() => content(path) === "token-2");
  t.regex((await cli(["token-file", "--list"])).stdout, /demo +\S+token +0640 +expires in/);

  t.regex((await cli(["events"])).stdout, /demo its token is kept in/);

  await daemon.stop();
  t.is(content(path), "token-2", "a daemon that ends leaves it");
  const again = await startDaemon(t, { home: daemon });
  t.is((await cli(["refresh", "demo"])).code, 0);
  await until(() => content(path) === "token-3");
  const { stdout } = await cli(["token-file", "--list", "--json"]);
  t.like(JSON.parse(stdout).tokenFiles, [{ credential: "demo", path, mode: "0640" }]);
  const audited = async () => {
    const lines = (await cli(["audit", "--json"])).stdout.trim().split("\n");
    return lines.map((line) => JSON.parse(line));
  };
  t.true((await audited()).some(({ method }) => method === "tokenFiles/add"));
  const writes = async () => (await audited()).filter(({ outcome }) => outcome === "token_file");
  await until(async () => (await writes()).length >= 3);
  const written = await writes();
  for (const { event, credential: name, token } of written) {
    t.deepEqual([event, name, typeof token], ["use", "demo", "string"]);
  }

  const other = join(folder, "other");
  t.is((await cli(["token-file", "demo", other, "--format", "header"])).code, 0);
  t.is(content(other), "authorization: Bearer token-3\n");
  t.is((await cli(["token-file", "--remove", other])).code, 0);
  t.is(content(other), undefined);
  t.is((await cli(["remove", "demo", "--yes"])).code, 0);
  await until(() => content(path) === undefined);
  await again.stop();
});

test("what can't be kept is said with its next step, and the right exit code", async (t) => {
  const { daemon, credential, path } = await setup(t);
  const { cli } = daemon;
  await daemon.add("demo", credential, ["--set", "expose=request"]);
  const refused = await cli(["token-file", "demo", path]);
  t.is(refused.code, 6, refused.stderr);
  t.regex(refused.stderr, /demo.*authd request/);
  t.is(content(path), undefined);
  t.is((await cli(["token-file", "nothing", path])).code, 4);
  t.is((await cli(["token-file", "demo"])).code, 2);
  t.is((await cli(["token-file", "--remove", "demo", path])).code, 2);
  t.is((await cli(["token-file", "--remove", path])).code, 2);
  t.is((await cli(["token-file", "demo", path, "--owner", ":no-such-group"])).code, 2);
});

test("a locked vault leaves the file, and is told of when its token has ended", async (t) => {
  const passphrase = "open sesame";
  const { daemon, issuer, credential, path } = await setup(t, {
    env: { AUTHD_VAULT_KEY: "passphrase" },
  });
  const { cli } = daemon;
  const unlock = () => cli(["unlock", "--passphrase-from", "-"], { input: passphrase });
  t.is((await unlock()).code, 0);
  await daemon.add("demo", credential);
  t.is((await cli(["token-file", "demo", path])).code, 0);
  t.is((await cli(["lock"])).code, 0);
  t.is(content(path), "token-1");
  t.is((await cli(["token-file", "demo", `${path}2`])).code, 6);
  t.is((await cli(["token-file", "--remove", path])).code, 6);
  t.is((await unlock()).code, 0);
  t.is((await cli(["refresh", "demo"])).code, 0);
  await until(() => content(path) === "token-2");

  // A daemon that finds the vault locked learns of the file when it is opened.
  await daemon.stop();
  await startDaemon(t, { home: daemon });
  t.is((await unlock()).code, 0);
  t.is((await cli(["refresh", "demo"])).code, 0);
  await until(() => content(path) === "token-3");
  const json = { access_token: "short", token_type: "bearer", expires_in: 1 };
  issuer.answer({ json });
  t.is((await cli(["refresh", "demo"])).code, 0);
  await until(() => content(path) === "short");
  issuer.answer({ status: 503 });
  await until(async () => (await cli(["get", "demo"])).code === 7);
  t.is((await cli(["lock"])).code, 0);
  await until(async () => {
    const { problems } = JSON.parse((await cli(["status", "--json"])).stdout).daemon;
    return problems.some(({ reason }: { reason: string }) => reason === "token_file");
  });
  t.is(content(path), "short");
});
