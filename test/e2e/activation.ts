import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Running, start } from "../helpers/child.ts";
import { type Home, MAIN, makeHome } from "../helpers/daemon.ts";
import { absent, missing } from "../helpers/optional.ts";

/** Has systemd's own tool listen for a daemon. */
async function activate(t: ExecutionContext, home: Home): Promise<Running> {
  const variables = Object.entries(home.env).map(([name, value]) => `--setenv=${name}=${value}`);
  const socket = join(home.folder, "activated.sock");
  const words = ["systemd-socket-activate", "-l", socket, ...variables];
  const script = ["-c", 'exec "$@" 2>&1', "", ...words, process.execPath, MAIN, "serve"];
  const running = start(t, "sh", script, { env: home.env });
  await running.says("Listening on");
  return running;
}

/** One call over a connection of its own; the first bytes decide the framing. */
async function call(path: string, request: string): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.end(request);
  let answer = "";
  for await (const chunk of socket.setEncoding("utf8")) answer += chunk;
  return answer;
}

test("the first client starts the daemon, and both framings work on the passed socket", async (t) => {
  if (absent("systemd-socket-activate").length > 0)
    return missing(t, "systemd-socket-activate is not installed (Debian package systemd)");
  const home = makeHome(t);
  const running = await activate(t, home);
  const path = join(home.folder, "activated.sock");
  t.is(running.child.exitCode, null);
  const message = `{"jsonrpc":"2.0","id":1,"method":"status"}`;
  const line = JSON.parse(await call(path, `${message}\n`)) as { result: { pid: number } };
  // The tool replaces itself by the daemon.
  t.is(line.result.pid, running.child.pid!);
  const framed = await call(path, `Content-Length: ${message.length}\r\n\r\n${message}`);
  t.regex(framed, /^Content-Length: \d+\r\n\r\n\{.*"pid":/s);
  // AUTHD_SOCKET is where it would listen by itself.
  t.false(readdirSync(home.folder).includes("s"), "it listens on no socket of its own");

  running.child.kill("SIGTERM");
  t.is((await running.ended).code, 0);
  return t.true(readdirSync(home.folder).includes("activated.sock"), "the socket is not its own");
});
