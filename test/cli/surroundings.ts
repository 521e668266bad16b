/** What authd says where something around it is missing: a home, a runtime folder, a right, room on the disk. */

import { mkdirSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Handlers } from "../../src/rpc/call.ts";
import { as, ownersCli, ownersHome, STRANGER } from "../helpers/another-user.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { asRoot, onLinux } from "../helpers/optional.ts";
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
