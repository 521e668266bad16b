import { randomBytes } from "node:crypto";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { run, start } from "../../helpers/child.ts";
import { MAIN } from "../../helpers/daemon.ts";
import { absent, missing, onLinux } from "../../helpers/optional.ts";
import { startToolDaemon, type ToolDaemon } from "../../helpers/tool-daemon.ts";

/** Connects as systemd does, from a name in the abstract namespace, and prints what comes. */
const CLIENT = `
import socket, sys
client = socket.socket(socket.AF_UNIX)
if sys.argv[2]:
    client.bind("\\0" + sys.argv[2])
client.connect(sys.argv[1])
while part := client.recv(4096):
    sys.stdout.write(part.decode())
`;

/** Has systemd's own tool listen for the helper; returns a function that asks as systemd does. */
async function activate(t: ExecutionContext, daemon: ToolDaemon, words: readonly string[]) {
  const path = join(daemon.folder, "credentials.sock");
  const variables = Object.entries(daemon.env).map(([name, value]) => `--setenv=${name}=${value}`);
  const command = [process.execPath, MAIN, "helper", "systemd", ...words];
  const activated = ["systemd-socket-activate", "-l", path, ...variables, ...command];
  const running = start(t, "sh", ["-c", 'exec "$@" 2>&1', "", ...activated], { env: daemon.env });
  await running.says("Listening on");
  const ask = async (name: string) =>
    (await run(t, "python3", ["-c", CLIENT, path, name], { env: { PATH: process.env.PATH } }))
      .stdout;
  return { running, ask };
}

onLinux(
  "systemd gets the token that a unit's LoadCredential= names, and nothing else",
  async (t) => {
    const lacking = absent("systemd-socket-activate", "python3");
    if (lacking.length > 0) return missing(t, `not installed: ${lacking.join(", ")}`);
    const daemon = await startToolDaemon(t);
    await daemon.addStatic("fixed", "fixed-token");
    const { running, ask } = await activate(t, daemon, ["API_TOKEN=fixed"]);
    const from = (rest: string) => `${randomBytes(8).toString("hex")}/unit/${rest}`;
    const asked = await Promise.all([
      ask(from("reports.service/fixed")),
      ask(from("reports@1.service/API_TOKEN")),
      ask(from("reports.service/unknown")),
      ask("not-systemd"),
      ask(""),
    ]);
    t.deepEqual(asked, ["fixed-token", "fixed-token", "", "", ""]);
    await running.says("reports.service: unknown: nothing handed out");
    const log = await running.says("a program that is not systemd: nothing handed out");
    t.regex(log, /^reports@1\.service: API_TOKEN: handed out$/m);
    return t.notRegex(log, /fixed-token/);
  },
);

test("the helper for systemd says who runs it", async (t) => {
  const daemon = await startToolDaemon(t);
  const { code, stderr } = await daemon.helper(["systemd"]);
  t.is(code, 2);
  t.regex(stderr, /authd helper install systemd/);
  t.is((await daemon.helper(["systemd", "fixed"])).code, 2);
});
