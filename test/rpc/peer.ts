import { chmodSync } from "node:fs";
import net from "node:net";
import { uptime } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { assertWelcome, type Peer, peerOf } from "../../src/rpc/peer.ts";
import { start } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot, onUnix } from "../helpers/optional.ts";

const CLIENT = `require("node:net").connect(process.argv[1]).resume().on("error", () => {})`;

interface Met {
  peer: Peer | undefined;
  refusal: unknown;
}

/** Runs a client under `prefix`, and says whom the server met. */
async function meet(t: ExecutionContext, ...prefix: string[]): Promise<Met & { pid: number }> {
  const folder = temporaryFolder(t);
  const path = join(folder, "s");
  const server = net.createServer();
  const met = new Promise<Met>((resolve, reject) => {
    server.on("connection", (socket) => {
      try {
        resolve({ peer: peerOf(socket), refusal: refusalOf(socket) });
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  chmodSync(folder, 0o755);
  chmodSync(path, 0o666);
  const [command, ...args] = [...prefix, process.execPath, "-e", CLIENT, path];
  const { child, ended } = start(t, command!, args);
  const early = ended.then(({ stderr }) => Promise.reject(new Error(`client ended: ${stderr}`)));
  return { ...(await Promise.race([met, early])), pid: child.pid! };
}

function refusalOf(socket: net.Socket): unknown {
  try {
    assertWelcome(socket);
    return undefined;
  } catch (error) {
    return error;
  }
}

onUnix("a client of our own user is known by uid, gid and pid, and may pass", async (t) => {
  const { peer, refusal, pid } = await meet(t);
  t.like(peer, { uid: process.geteuid!(), gid: process.getegid!(), pid });
  t.true(Math.abs((peer?.connectedAt ?? 0) - uptime() * 1_000) < 60_000);
  t.is(refusal, undefined);
});

asRoot("a client of another user is refused, with both users named", async (t) => {
  const { peer, refusal, pid } = await meet(
    t,
    "setpriv",
    "--reuid=65533",
    "--regid=65532",
    "--clear-groups",
  );
  t.like(peer, { uid: 65533, gid: 65532, pid });
  t.true(refusal instanceof AuthdError);
  const { reason, message } = refusal as AuthdError;
  t.is(reason, "caller_not_allowed");
  t.regex(message, /^User 65533 \(process \d+\) may not use the authd of user 0\./);
});

asRoot("root may use another user's daemon", async (t) => {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o777);
  const path = join(folder, "s");
  const source = `
    import net from "node:net";
    process.umask(0);
    const { assertWelcome, peerOf } = await import(${JSON.stringify(import.meta.resolve("../../src/rpc/peer.js"))});
    const server = net.createServer((socket) => {
      assertWelcome(socket);
      console.log("met " + peerOf(socket).uid);
      process.exit();
    });
    server.listen(${JSON.stringify(path)}, () => console.log("listening"));`;
  const server = start(t, "setpriv", [
    "--reuid=65533",
    "--regid=65533",
    "--clear-groups",
    process.execPath,
    "--input-type=module",
    "-e",
    source,
  ]);
  await server.says("listening");
  start(t, process.execPath, ["-e", CLIENT, path]);
  t.regex((await server.ended).stdout, /met 0\n/);
});

onUnix("a connection that can't be asked about is refused", (t) => {
  const closed = new net.Socket();
  t.throws(() => peerOf(closed), { message: /closed/ });
  const error = t.throws(() => assertWelcome(closed), { instanceOf: AuthdError });
  t.is(error.reason, "caller_not_allowed");
  t.regex(error.message, /can't be told/);
});

onUnix("a TCP connection is refused: the kernel knows no user for it", async (t) => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const client = net.connect(port, "127.0.0.1").on("error", () => {});
  t.teardown(() => client.destroy());
  const [socket] = (await new Promise((resolve) =>
    server.once("connection", (...all) => resolve(all)),
  )) as [net.Socket];
  t.teardown(() => socket.destroy());
  t.throws(() => assertWelcome(socket), { instanceOf: AuthdError });
});
