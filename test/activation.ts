import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Running, start } from "./helpers/child.ts";
import { type Home, MAIN, makeHome } from "./helpers/daemon.ts";

/** Has systemd's own tool listen for a daemon; undefined where it is not installed. */
async function activate(t: ExecutionContext, home: Home): Promise<Running | undefined> {
  const variables = Object.entries(home.env).map(([name, value]) => `--setenv=${name}=${value}`);
  const socket = join(home.folder, "activated.sock");
  const words = ["systemd-socket-activate", "-l", socket, ...variables];
  const running = start(
    t,
    "sh",
    ["-c", 'exec "$@" 2>&1', "", ...words, process.execPath, MAIN, "serve"],
    {
      env: home.env,
    },
  );
  const listens = running.says("Listening on").then(() => true);
  const ended = running.ended.then(({ code }) => {
    if (code !== 127) throw new Error(`systemd-socket-activate ended with ${code}`);
    return false;
  });
  listens.catch(() => {});
  ended.catch(() => {});
  if (await Promise.race([ended, listens])) return running;
  t.log("systemd-socket-activate is not installed (Debian package systemd)");
  return undefined;
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
  const home = makeHome(t);
  const running = await activate(t, home);
  if (!running) return t.pass();
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
