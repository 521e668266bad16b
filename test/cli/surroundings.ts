/** What authd says where something around it is missing: a home, a runtime folder, a right, room on the disk. */

import { mkdirSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type AuthdError, connect } from "../../src/client.ts";
import type { Handlers } from "../../src/rpc/call.ts";
import { as, ownersCli, ownersHome, STRANGER } from "../helpers/another-user.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { asRoot, missing, onLinux } from "../helpers/optional.ts";
import { CTRL_C, onTerminal } from "../helpers/terminal.ts";
import { startWire } from "../helpers/wire.ts";

/** `authd list` of a user that no account has. */
function asStranger(t: ExecutionContext, env: NodeJS.ProcessEnv) {
  const [command = "", ...args] = [...as(STRANGER), process.execPath, MAIN, "list"];
  return run(t, command, args, { env });
}

asRoot("a user without an account and without HOME hears what to set", async (t) => {
  const { code, stderr } = await asStranger(t, { PATH: process.env.PATH });
  t.is(code, 2, stderr);
  t.regex(stderr, /no home folder: HOME is not set.*user id 64122.*AUTHD_SOCKET/);
});

asRoot("another user's socket is no daemon that is missing", async (t) => {
  const daemon = await startDaemon(t);
  const { code, stderr } = await asStranger(t, daemon.env);
  t.is(code, 3);
  t.regex(stderr, /You \(user 64122\) may not use the socket .*another user's.*\(EACCES\)/);
});

asRoot(
  "a home that can't be written to ends the start, with its path and what to do",
  async (t) => {
    const home = ownersHome(t);
    const locked = join(home.folder, "locked");
    // Root's, in a folder of the owner's.
    mkdirSync(locked, { mode: 0o755 });
    const env = { ...home.env, AUTHD_STATE_DIR: join(locked, "authd") };
    const { code, stderr } = await ownersCli(t, { env }, ["serve"]);
    t.is(code, 1);
    t.regex(stderr, /locked\/authd.*AUTHD_STATE_DIR/);
  },
);

onLinux("what can't be written is said, and is a failure", async (t) => {
  const daemon = await startDaemon(t);
  const full = openSync("/dev/full", "w");
  const listing = start(t, process.execPath, [MAIN, "list"], {
    env: daemon.env,
    stdio: ["ignore", full, "pipe"],
  });
  const { code, stderr } = await listing.ended;
  t.is(code, 1);
  t.regex(stderr, /standard output can't be written to \(ENOSPC\)/);
});

onLinux("serve on a terminal speaks in words, elsewhere in JSON", async (t) => {
  const home = makeHome(t, { config: { "credentials/bad.toml": "grant =" } });
  const terminal = onTerminal(t, home, ["serve"]);
  await terminal.type("authd listens on", CTRL_C);
  const { stdout } = await terminal.ended;
  t.regex(stdout, /^\d\d:\d\d:\d\d error .*line 1/m);
  t.notRegex(stdout, /\{"level"/);
  const piped = start(t, process.execPath, [MAIN, "serve"], { env: home.env });
  await piped.says("authd listens on");
  piped.child.kill("SIGTERM");
  t.regex((await piped.ended).stderr, /^\{"level":50/m);
});

test("a weak passphrase is refused on the socket, too, where one is chosen", async (t) => {
  const daemon = await startDaemon(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  const client = connect({ socket: daemon.socket });
  t.teardown(() => client.close());
  const passphrase = "x";
  const refused = { message: /The passphrase is refused/ };
  const unlock = await t.throwsAsync(client.request("unlock", { passphrase }), refused);
  t.is((unlock as AuthdError).reason, "invalid_params");
  await client.request("unlock", { passphrase: "open sesame" });
  const rekey = () => client.request("vault/rekey", { to: "passphrase", passphrase });
  await t.throwsAsync(rekey, refused);
  await t.throwsAsync(() => client.request("vault/export", { passphrase }), refused);
  t.is((await client.request("status", {})).vaultKey, "passphrase");
});

test("a passphrase as weak as x is refused where one is chosen", async (t) => {
  const daemon = await startDaemon(t, { env: { AUTHD_VAULT_KEY: "passphrase" } });
  const unlock = (input: string) => daemon.cli(["unlock", "--passphrase-from", "-"], { input });
  for (const weak of ["x", "1234567", "aaaaaaaaaaaa"]) {
    const { code, stderr } = await unlock(`${weak}\n`);
    t.is(code, 2);
    t.regex(stderr, /passphrase is refused/);
    t.false(stderr.includes(weak) && weak !== "x");
  }
  t.is((await unlock("correct horse battery\n")).code, 0);
  const out = join(daemon.folder, "out");
  const weak = await daemon.cli(["vault", "export", out, "--passphrase-from", "-"], { input: "x" });
  t.is(weak.code, 2);
  const rekey = ["vault", "rekey", "--to", "passphrase", "--passphrase-from", "-"];
  t.is((await daemon.cli(rekey, { input: "x" })).code, 2);
});

onLinux("a folder where nothing can be made ends serve with a clear error", async (t) => {
  const home = makeHome(t);
  for (const [variable, value, words] of [
    [
      "AUTHD_STATE_DIR",
      "/proc/authd",
      /vault's folder \/proc\/authd\/vault can't be made.*in \/proc/,
    ],
    [
      "AUTHD_SOCKET",
      "/proc/authd/a.sock",
      /socket's folder \/proc\/authd can't be used.*in \/proc/,
    ],
  ] as const) {
    const { code, stderr } = await home.cli(["serve"], { env: { [variable]: value } });
    t.is(code, 1, stderr);
    t.regex(stderr, words);
  }
});

asRoot("without XDG_RUNTIME_DIR the commands find a service's socket in /run/user", async (t) => {
  const home = makeHome(t);
  // A mount namespace of its own: the machine's /run/user stays as it is.
  const script = [
    "mount -t tmpfs none /run/user && mkdir -m 700 /run/user/0",
    // One that is killed leaves its socket in the state folder.
    '"$@" serve & until [ -S "$AUTHD_STATE_DIR/authd.sock" ]; do sleep 0.1; done',
    "kill -9 $!; wait; [ -S $AUTHD_STATE_DIR/authd.sock ] || exit 9",
    'XDG_RUNTIME_DIR=/run/user/0 "$@" serve &',
    "trap 'kill $!; wait' EXIT",
    "until [ -S /run/user/0/authd/authd.sock ]; do sleep 0.1; done",
    '"$@" status',
  ].join("\n");
  const { AUTHD_SOCKET: _, ...env } = home.env;
  const args = ["-m", "bash", "-c", script, "bash", process.execPath, MAIN];
  const { code, stdout, stderr } = await run(t, "unshare", args, { env });
  if (/unshare failed|permission denied/.test(stderr)) {
    return missing(t, `no mount namespace can be made here: ${stderr}`);
  }
  t.is(code, 0, stderr);
  t.regex(stdout, /listening on \/run\/user\/0\/authd\/authd\.sock/);
});

onLinux("a daemon of an older version is told of by the commands that notice", async (t) => {
  const home = makeHome(t);
  const info = { name: "demo", grant: "static", state: "ready", origins: [] };
  const old = { version: "0.0.1", pid: 1, startedAt: 0, socket: home.socket, vaultKey: "file" };
  const counts = { credentials: 1, connections: 1, pendingRefreshes: 0 };
  mkdirSync(dirname(home.socket), { mode: 0o700 });
  const handlers = {
    status: () => ({ ...old, ...counts, states: {}, problems: [], reporting: { notify: false } }),
    "credentials/list": () => ({ credentials: [] }),
    "credentials/show": () => info,
  };
  await startWire(t, handlers as unknown as Partial<Handlers>, { path: home.socket });
  const status = await home.cli(["status"]);
  t.is(status.code, 0, status.stderr);
  t.regex(status.stderr, /running daemon is version 0\.0\.1, this command .*authd stop/);
  for (const args of [
    ["trust", "demo", "--yes"],
    ["edit", "demo"],
    ["set", "demo", "--unset", "ttl"],
  ]) {
    const { code, stderr } = await home.cli(args, { env: { EDITOR: "true" } });
    t.is(code, 1, args.join(" "));
    t.regex(stderr, /too old|older version/, args.join(" "));
  }
});

onLinux("a command whose method the daemon does not know says why", async (t) => {
  const home = makeHome(t);
  mkdirSync(dirname(home.socket), { mode: 0o700 });
  const unknown = {
    jsonrpc: "2.0",
    id: 1,
    error: { code: -32601, message: "Unhandled method lock" },
  };
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(`${JSON.stringify(unknown)}\n`));
  });
  await new Promise<void>((resolve) => server.listen(home.socket, resolve));
  t.teardown(() => server.close());
  const { code, stderr } = await home.cli(["lock"]);
  t.is(code, 1);
  t.regex(stderr, /Unhandled method lock.*of an older version/);
});
