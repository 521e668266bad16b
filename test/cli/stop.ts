import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { start } from "../helpers/child.ts";
import { MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { absent, missing } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";
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

test("stop waits for the answer to a refresh token that may be spent once only", async (t) => {
  const held = new HeldAnswers();
  const issuer = await startIssuer(t, held.answer);
  const daemon = await startDaemon(t);
  const client = await RawClient.open(t, daemon.socket);
  client.request(1, "credentials/add", {
    ...{ name: "rotating", grant: "refresh_token", secrets: { refresh_token: "practice-first" } },
    settings: { token_url: issuer.url, client_id: "app" },
  });
  await until(() => issuer.requests.length !== 0);
  let isOver = false;
  const stopping = daemon.cli(["stop"]).finally(() => {
    isOver = true;
  });
  t.is((await client.next())?.error?.data.reason, "shutting_down");
  await client.closed;
  await sleep(2_000);
  t.false(isOver);
  held.release({ access_token: "a", token_type: "bearer", refresh_token: "practice-second" });
  const { code, stdout } = await stopping;
  t.is(code, 0);
  t.regex(stdout, /has ended/);
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
