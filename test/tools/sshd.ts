/** A restricted socket that a real sshd and ssh forward, on loopback. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, asRoot, missing } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const SSHD = "/usr/sbin/sshd";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Returns the words of an ssh that logs in at an sshd of its own. */
async function startSshd(t: ExecutionContext): Promise<string[]> {
  const folder = temporaryFolder(t);
  const key = (name: string) => join(folder, name);
  for (const name of ["host", "user"])
    await run(t, "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key(name)]);
  const port = await freePort();
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const config = `Port ${port}
ListenAddress 127.0.0.1
HostKey ${key("host")}
AuthorizedKeysFile ${key("user")}.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
StreamLocalBindUnlink yes
`;
  writeFileSync(key("config"), config);
  start(t, SSHD, ["-D", "-e", "-f", key("config")], { env: {} });
  await until(() => listens(port));
  const options = ["StrictHostKeyChecking=no", `UserKnownHostsFile=${key("known")}`];
  return [
    ...["ssh", "-F", "none", "-i", key("user"), "-p", String(port), "-o", "BatchMode=yes"],
    ...[...options, "ExitOnForwardFailure=yes"].flatMap((option) => ["-o", option]),
    `${userInfo().username}@127.0.0.1`,
  ];
}

for (const [direction, flag, program] of [
  ["ssh -R: the near side forwards it", "-R", /\/ssh$/],
  ["ssh -L: the far side fetches it", "-L", /\/sshd$/],
] as const) {
  asRoot(direction, async (t) => {
    const lacking = absent("ssh", "ssh-keygen");
    if (lacking.length > 0 || !existsSync(SSHD))
      return missing(t, "openssh-client or openssh-server is not installed");
    const near = join(temporaryFolder(t), "box", "authd.sock");
    const far = join(temporaryFolder(t), "authd.sock");
    const toml = `[[sockets]]\nname = "server"\npath = "${near}"\ncredentials = ["mine"]\n`;
    const daemon = await startDaemon(t, { config: { "config.toml": toml } });
    const api = await startApi(t, ({ headers, body }, response) =>
      response.end(`${headers.authorization} ${body}`),
    );
    const secrets = { token: "practice-token" };
    const settings = { origins: [api.origin] };
    await daemon.add("mine", { credential: { grant: "static", settings, secrets } });
    const [ssh = "", ...words] = await startSshd(t);
    const env = { PATH: process.env.PATH };
    start(t, ssh, ["-N", flag, `${far}:${near}`, ...words], { env });
    await until(() => existsSync(far));
    // With -R the far side is behind the login; with -L it is this one.
    const through = flag === "-R" ? [ssh, ...words, "env"] : ["env"];
    const authd = async (...args: string[]) => {
      const [command = "", ...rest] = [
        ...through,
        `AUTHD_SOCKET=${far}`,
        process.execPath,
        MAIN,
        ...args,
      ];
      return await run(t, command, rest, { env });
    };
    const sent = await authd("request", "mine", `${api.origin}/`, "-d", "body");
    t.is(sent.stdout, "Bearer practice-token body", sent.stderr);
    const token = await authd("get", "mine");
    t.is(token.code, 6, token.stderr);
    t.is((await authd("remove", "mine", "--yes")).code, 6);
    const lines = () => readFileSync(join(daemon.stateDir, "audit.log"), "utf8").trim().split("\n");
    await until(() => lines().some((text) => text.includes("credentials/remove")));
    const all = lines().map((text) => JSON.parse(text));
    const line = all.find(({ method }) => method === "authorizedRequest");
    t.is(line?.peer.socket, "server");
    t.regex(line?.peer.program, program);
  });
}
