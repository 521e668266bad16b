/** The PHP client, by the conformance suite and with Guzzle and PSR-18. */
import { readdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run, start } from "../helpers/child.ts";
import { conformance } from "../helpers/conformance/conformance.ts";
import { startSandbox } from "../helpers/conformance/sandbox.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { readDocument } from "../helpers/markdown.ts";
import { absent, missing } from "../helpers/optional.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";
import { ROOT } from "../helpers/sources.ts";
import { until } from "../helpers/until.ts";

const FOLDER = join(ROOT, "clients/php");

conformance("php", {
  start: () => ({ command: "php", args: [join(FOLDER, "conformance.php")] }),
  programs: ["php"],
  features: ["cancel", "stream", "upload", "subscribe"],
});

test("every file of the PHP client is PHP", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" });
  const sources = files.filter((name) => name.endsWith(".php"));
  t.true(sources.length > 10);
  for (const name of sources) {
    const { code, stdout, stderr } = await run(t, "php", ["-l", join(FOLDER, name)]);
    t.is(code, 0, stdout + stderr);
  }
});

/** Says what the tests with Guzzle lack on this machine. */
async function lacking(t: ExecutionContext): Promise<string | undefined> {
  if (absent("php").length > 0) return "php is not installed";
  const guzzle = "require '/usr/share/php/GuzzleHttp/autoload.php';";
  if ((await run(t, "php", ["-r", guzzle])).code === 0) return undefined;
  return "Debian's php-guzzlehttp-guzzle is not installed";
}

test("cookies of PSR-7 go as one header", async (t) => {
  const lack = await lacking(t);
  if (lack) return missing(t, lack);
  let sent: unknown;
  const result = { status: 200, url: "https://api.example/x", headers: {}, body: "" };
  const socket = await startScriptedDaemon(t, (_method, params) => {
    sent = params;
    return { result };
  });
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/cookies.php")], {
    env,
  });
  t.is(code, 0, stdout + stderr);
  return t.like(sent, { headers: { Cookie: "a=1; b=2", Accept: "x/y, x/z" } });
});

test("PSR-18 and Guzzle send by authd", async (t) => {
  const lack = await lacking(t);
  if (lack) return missing(t, lack);
  const { socket, values } = await startSandbox(t);
  const env = { ...process.env, AUTHD_SOCKET: socket, LABELF_URL: values.labelf };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/adapters.php")], {
    env,
  });
  return t.is(code, 0, stdout + stderr);
});

test("what a signal handler throws takes a call back", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const seen: string[] = [];
  const result = { accessToken: "quick", tokenType: "Bearer", expiresAt: null, headers: {} };
  const socket = await startScriptedDaemon(t, async (method, params) => {
    seen.push(`${method} ${JSON.stringify(params)}`);
    if (JSON.stringify(params).includes("quick")) return { result };
    return await new Promise(() => {});
  });
  const { child, ended } = start(t, "php", [join(FOLDER, "tests/signals.php")], {
    env: { ...process.env, AUTHD_SOCKET: socket },
  });
  await until(() => seen.length === 1);
  child.kill("SIGUSR1");
  const { code, stdout, stderr } = await ended;
  t.is(code, 0, stdout + stderr);
  return t.deepEqual(seen, [
    'getToken {"credential":"slow"}',
    '$/cancelRequest {"id":1}',
    'getToken {"credential":"quick"}',
  ]);
});

test("a body goes on after the head of its answer", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const common = { status: 200, statusText: "OK", url: "https://api.example/x", headers: {} };
  const result = { ...common, bytes: 2, chunks: 1, refreshed: false };
  const message = (members: object) => JSON.stringify({ jsonrpc: "2.0", ...members });
  let sent = "";
  const socket = await startScriptedDaemon(t, (method, params) => {
    if (method === "request/open") return { result: { upload: "u" } };
    const { seq, data, last } = params as { seq: number; data: string; last?: boolean };
    sent += Buffer.from(data, "base64").toString();
    const head = message({ method: "response/head", params: { ...common, id: 1 } });
    if (seq === 0) return `${head}\n${message({ id: 2, result: {} })}`;
    if (!last) return { result: {} };
    const chunk = message({ method: "response/chunk", params: { id: 1, seq: 0, data: "aGk=" } });
    return `${chunk}\n${message({ id: seq + 2, result })}`;
  });
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/duplex.php")], { env });
  t.is(code, 0, stdout + stderr);
  return t.is(sent, Array.from({ length: 50 }, (_, part) => part + 10).join(""));
});

/** Listens as a daemon that never reads on its first connection, and answers each line of the others with a token. */
async function startDeafDaemon(t: ExecutionContext) {
  const sockets: net.Socket[] = [];
  const result = { accessToken: "quick", tokenType: "Bearer", expiresAt: null, headers: {} };
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    t.teardown(() => socket.destroy());
    socket.on("error", () => {});
    if (sockets.push(socket) === 1) return;
    socket.on("data", (line) => {
      const { id } = JSON.parse(line.toString());
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
    });
    socket.resume();
  });
  const path = join(temporaryFolder(t), "authd.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  return { path, sockets };
}

for (const ending of ["signal", "cancelled", "timeout"]) {
  test(`a request that is not read is taken back: ${ending}`, async (t) => {
    if (absent("php").length > 0) return missing(t, "php is not installed");
    const { path, sockets } = await startDeafDaemon(t);
    const { child, ended } = start(t, "php", [join(FOLDER, "tests/deaf.php"), ending], {
      env: { ...process.env, AUTHD_SOCKET: path },
    });
    await until(() => sockets.length > 0);
    if (ending === "signal") child.kill("SIGUSR1");
    const { code, stdout, stderr } = await ended;
    t.is(code, 0, stdout + stderr);
    const got = Buffer.concat(await (sockets[0] as net.Socket).toArray()).toString();
    return t.false(got.includes("\n"), "half a line, then the end");
  });
}

test("a listener that makes calls takes no answer away", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const message = (members: object) => JSON.stringify({ jsonrpc: "2.0", ...members });
  const tokenOf = (credential: string) => ({
    result: { accessToken: `of ${credential}`, tokenType: "Bearer", expiresAt: null, headers: {} },
  });
  const notified = (credential: string) =>
    message({ method: "token/refreshed", params: { credential } });
  // The outer call is the second: its answer comes right behind a notification, before that of the inner one.
  const socket = await startScriptedDaemon(t, (_method, params) => {
    const { credential } = params as { credential?: string };
    if (credential === undefined) return { result: {} };
    if (credential !== "outer") return tokenOf(credential);
    const answer = message({ id: 2, ...tokenOf("outer") });
    return [notified("inner 1"), notified("inner 2"), answer].join("\n");
  });
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/nested.php")], { env });
  return t.is(code, 0, stdout + stderr);
});

const PROGRAM = `<?php
require __DIR__ . "/vendor/autoload.php";
try {
    (new Authd\\Client())->getToken("lablef");
} catch (Authd\\UnknownCredentialException $error) {
    echo $error->reason, " ", (new Authd\\Client())->getToken("labelf")->tokenType;
}`;

test("Composer installs it as the README says", async (t) => {
  const without = absent("php", "composer");
  if (without.length > 0) return missing(t, `not installed: ${without.join(", ")}`);
  const cwd = temporaryFolder(t);
  // No registry is asked.
  const root = { name: "a/b", repositories: { "packagist.org": false } };
  writeFileSync(join(cwd, "composer.json"), JSON.stringify(root));
  writeFileSync(join(cwd, "program.php"), PROGRAM);
  const { socket } = await startSandbox(t);
  const own = { COMPOSER_HOME: join(cwd, "home"), COMPOSER_ALLOW_SUPERUSER: "1" };
  const env = { ...process.env, ...own, COMPOSER_NO_INTERACTION: "1", AUTHD_SOCKET: socket };
  const [commands = ""] = readDocument("clients/php/README.md").blocks("sh");
  const script = `set -e\n${commands.replaceAll("PATH/TO/authd", ROOT)}`;
  const installed = await run(t, "sh", ["-c", script], { cwd, env });
  t.is(installed.code, 0, installed.stderr);
  const { stdout, stderr } = await run(t, "php", ["program.php"], { cwd, env });
  t.regex(stdout, /^unknown_credential bearer$/i, stderr);
  const strict = ["validate", "--strict", join(FOLDER, "composer.json")];
  const validated = await run(t, "composer", strict, { cwd, env });
  return t.is(validated.code, 0, validated.stderr);
});

test("a child after a fork has a connection of its own", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const socket = await startScriptedDaemon(t, (_method, _params, connection) => ({
    result: { accessToken: `connection ${connection}`, tokenType: "Bearer" },
  }));
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/fork.php")], { env });
  return t.is(code, 0, stdout + stderr);
});

test("whatever shows a token shows nothing secret", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const result = {
    ...{ accessToken: "hidden 1", tokenType: "Bearer", headers: { authorization: "hidden 2" } },
    ...{ query: { q: "hidden 3" }, body: { b: "hidden 4" }, extra: { id: "hidden 5" } },
  };
  const socket = await startScriptedDaemon(t, () => ({ result }));
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const { code, stdout, stderr } = await run(t, "php", [join(FOLDER, "tests/shown.php")], { env });
  return t.is(code, 0, stdout + stderr);
});

test("no trace of an exception holds what was sent", async (t) => {
  if (absent("php").length > 0) return missing(t, "php is not installed");
  const error = { code: 1, message: "no", data: { reason: "credential_rejected" } };
  const socket = await startScriptedDaemon(t, (_method, params) =>
    JSON.stringify(params).includes("lost") ? undefined : { error },
  );
  const args = ["-d", "zend.exception_ignore_args=0", join(FOLDER, "tests/traces.php")];
  const env = { ...process.env, AUTHD_SOCKET: socket };
  const { code, stdout, stderr } = await run(t, "php", args, { env });
  return t.is(code, 0, stdout + stderr);
});
