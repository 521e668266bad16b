import { existsSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";
import { RawClient } from "../helpers/wire.ts";

test("stop ends the daemon and waits until it is gone", async (t) => {
  const daemon = await startDaemon(t);
  const client = await RawClient.open(t, daemon.socket);
  const { code, stdout, stderr } = await daemon.cli(["stop"]);
  t.deepEqual([code, stderr], [0, ""]);
  t.is(stdout, `authd (process ${daemon.pid}) has ended.\n`);
  t.false(existsSync(daemon.socket));
  t.is((await daemon.ended).code, 0);
  await client.closed;
  // A vault that was still in use would refuse the next one.
  const next = await startDaemon(t, { home: daemon });
  t.is((await next.cli(["status"])).code, 0);
});

test("without a daemon there is nothing to stop: exit code 3", async (t) => {
  const home = makeHome(t);
  const { code, stderr } = await home.cli(["stop"]);
  t.is(code, 3);
  t.regex(stderr, /No daemon answers/);
});

test("a socket that is the service manager's is named", async (t) => {
  if (absent("systemd-socket-activate").length > 0)
    return missing(t, "systemd-socket-activate is not installed (Debian package systemd)");
  const home = makeHome(t);
  const variables = Object.entries(home.env).map(([name, value]) => `--setenv=${name}=${value}`);
  const socket = join(home.folder, "activated.sock");
  const words = ["systemd-socket-activate", "-l", socket, ...variables];
  const script = ["-c", 'exec "$@" 2>&1', "", ...words, process.execPath, MAIN, "serve"];
  const running = start(t, "sh", script, { env: home.env });
  await running.says("Listening on");
  const { code, stdout } = await home.cli(["stop"], { env: { AUTHD_SOCKET: socket } });
  t.is(code, 0);
  t.regex(stdout, /has ended\.\n.*the next program that asks starts authd again/);
  return t.is((await running.ended).code, 0);
});
