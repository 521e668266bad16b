import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import {
  clientSocketPath,
  connect,
  defaultSocketPath,
  listen,
  listenActivated,
} from "../../src/rpc/socket.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { asRoot, onLinux, onUnix } from "../helpers/optional.ts";

function server(t: ExecutionContext): net.Server {
  const made = net.createServer((socket) => {
    // The probe leaves without a word.
    socket.on("error", () => {});
    socket.end("hello");
  });
  t.teardown(() => made.close());
  return made;
}

/** A socket that its process left behind. */
async function deadSocket(path: string): Promise<void> {
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
}

async function refusal(t: ExecutionContext, path: string): Promise<string> {
  const error = await t.throwsAsync(listen(server(t), path), { instanceOf: AuthdError });
  t.is(error?.reason, "request_failed");
  return error?.message ?? "";
}

test("the default path follows the environment", (t) => {
  const path = (env: Record<string, string>, platform: NodeJS.Platform = "linux") =>
    defaultSocketPath(env, platform);
  t.is(path({ AUTHD_SOCKET: "/x/y.sock", XDG_RUNTIME_DIR: "/run" }), "/x/y.sock");
  t.is(path({ XDG_RUNTIME_DIR: "/run/user/1" }), "/run/user/1/authd/authd.sock");
  t.is(path({ XDG_STATE_HOME: "/s", HOME: "/h" }), "/s/authd/authd.sock");
  t.is(path({ AUTHD_STATE_DIR: "/state" }), "/state/authd.sock");
  t.is(path({ HOME: "/h" }), "/h/.local/state/authd/authd.sock");
  t.is(path({ HOME: "/h", XDG_RUNTIME_DIR: "relative" }), "/h/.local/state/authd/authd.sock");
  t.is(path({ USERNAME: "ann" }, "win32"), "\\\\.\\pipe\\authd-ann");
});

test("a path over 107 bytes is refused, 103 on macOS", (t) => {
  const path = (length: number) => `/${"x".repeat(length - 1)}`;
  t.is(defaultSocketPath({ AUTHD_SOCKET: path(107) }, "linux"), path(107));
  t.is(defaultSocketPath({ AUTHD_SOCKET: path(103) }, "darwin"), path(103));
  for (const [length, platform] of [
    [108, "linux"],
    [104, "darwin"],
  ] as const) {
    t.throws(() => defaultSocketPath({ AUTHD_SOCKET: path(length) }, platform), {
      instanceOf: AuthdError,
      message: /bytes long.*AUTHD_SOCKET/,
    });
  }
});

for (const name of ["authd.sock", "a"]) {
  onUnix(`the longest possible path can be listened on, also as .../${name}`, async (t) => {
    const folder = temporaryFolder(t);
    const room = 107 - Buffer.byteLength(folder) - 2 - name.length;
    const path = join(folder, "d".repeat(room), name);
    t.is(Buffer.byteLength(path), 107);
    const listening = await listen(server(t), path);
    t.true(statSync(path).isSocket());
    t.deepEqual(readdirSync(join(path, "..")), [name]);
    listening.release();
  });
}

onUnix("folder and socket are for our own user alone, whatever the umask", async (t) => {
  const path = join(temporaryFolder(t), "new", "deeper", "authd.sock");
  const umask = process.umask();
  await listen(server(t), path);
  t.is(process.umask(), umask);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(statSync(join(path, "..")).mode & 0o777, 0o700);
  t.is(statSync(join(path, "../..")).mode & 0o777, 0o700);
});

onUnix("a socket that answers is left alone, with a clear error", async (t) => {
  const path = join(temporaryFolder(t), "authd.sock");
  const first = server(t);
  await listen(first, path);
  const { ino } = statSync(path);
  t.regex(await refusal(t, path), /answers on .*authd\.sock already/);
  t.is(statSync(path).ino, ino);
  const socket = await connect(path);
  const [data] = await once(socket, "data");
  socket.destroy();
  t.is(String(data), "hello");
});

onUnix("a dead socket is replaced", async (t) => {
  const path = join(temporaryFolder(t), "authd.sock");
  await deadSocket(path);
  t.true(lstatSync(path).isSocket());
  await listen(server(t), path);
  (await connect(path)).destroy();
  t.pass();
});

onUnix("what is not a socket is never removed", async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "file");
  const link = join(folder, "link");
  const dead = join(folder, "dead");
  writeFileSync(file, "precious");
  await deadSocket(dead);
  symlinkSync(dead, link);
  mkdirSync(join(folder, "folder"));
  for (const path of [file, link, join(folder, "folder")]) {
    t.regex(await refusal(t, path), /is not a socket/);
  }
  t.is(readFileSync(file, "utf8"), "precious");
  t.true(lstatSync(link).isSymbolicLink());
});

onUnix("release removes our socket, and nobody else's", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "authd.sock");
  const first = server(t);
  const listening = await listen(first, path);
  renameSync(path, join(folder, "moved"));
  const second = await listen(server(t), path);
  listening.release();
  first.close();
  await once(first, "close");
  t.true(existsSync(path), "the successor's socket is still there");
  (await connect(path)).destroy();
  second.release();
  t.false(existsSync(path));
  second.release();
  t.pass("a second release does nothing");
});

onUnix("a folder that others may write to is refused", async (t) => {
  const folder = join(temporaryFolder(t), "shared");
  mkdirSync(folder);
  for (const mode of [0o770, 0o777, 0o1777]) {
    chmodSync(folder, mode);
    t.regex(await refusal(t, join(folder, "authd.sock")), /Others may write.*chmod go-w/);
  }
  t.deepEqual(readdirSync(folder), []);
});

onUnix("a folder behind our own link is fine, behind a dangling one refused", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "real"), { mode: 0o700 });
  symlinkSync("real", join(folder, "link"));
  symlinkSync("nowhere", join(folder, "dangling"));
  await listen(server(t), join(folder, "link", "authd.sock"));
  t.true(existsSync(join(folder, "real", "authd.sock")));
  t.regex(await refusal(t, join(folder, "dangling", "authd.sock")), /can't be used/);
});

asRoot(
  "a folder that is somebody else's, or behind somebody else's link, is refused",
  async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "real"), { mode: 0o700 });
    symlinkSync(join(folder, "real"), join(folder, "link"));
    lchownSync(join(folder, "link"), 65534, 65534);
    t.regex(await refusal(t, join(folder, "link", "authd.sock")), /belongs to user 65534/);
    symlinkSync(join(folder, "link"), join(folder, "ours"));
    t.regex(await refusal(t, join(folder, "ours", "new", "authd.sock")), /belongs to user 65534/);
    unlinkSync(join(folder, "link"));
    lchownSync(join(folder, "real"), 65534, 65534);
    t.regex(await refusal(t, join(folder, "real", "authd.sock")), /belongs to user 65534/);
    t.deepEqual(readdirSync(join(folder, "real")), []);
  },
);

onUnix("a socket of the service manager is used, and its variables are removed", async (t) => {
  const path = join(temporaryFolder(t), "authd.sock");
  const outer = net.createServer().listen(path);
  await once(outer, "listening");
  t.teardown(() => outer.close());
  const module = new URL("../../src/rpc/socket.js", import.meta.url).href;
  const script = `
    import * as net from "node:net";
    import { listenActivated } from ${JSON.stringify(module)};
    process.env.LISTEN_PID = String(process.pid);
    const server = net.createServer();
    const used = await listenActivated(server);
    console.log(used, Object.keys(process.env).filter((name) => name.startsWith("LISTEN_")).length);
    process.exit();`;
  const { _handle } = outer as net.Server & { _handle: { fd: number } };
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "ignore", _handle.fd],
    env: { ...process.env, LISTEN_FDS: "1", LISTEN_FDNAMES: "authd.socket" },
  });
  t.teardown(() => child.kill());
  const [said] = await once(child.stdout!, "data");
  t.is(String(said), "true 0\n");
});

test("variables meant for another process are ignored and removed", async (t) => {
  const env = { LISTEN_PID: "1", LISTEN_FDS: "1", PATH: "/bin" };
  t.false(await listenActivated(server(t), env));
  t.deepEqual(env as object, { PATH: "/bin" });
});

onLinux(
  "a client looks where it is told; without XDG_RUNTIME_DIR also for a service's socket",
  (t) => {
    const folder = temporaryFolder(t);
    t.is(clientSocketPath({ AUTHD_SOCKET: "/x/a.sock" }), "/x/a.sock");
    t.is(clientSocketPath({ XDG_RUNTIME_DIR: "/x" }), "/x/authd/authd.sock");
    const own = join(folder, "authd.sock");
    writeFileSync(own, "");
    t.is(clientSocketPath({ AUTHD_STATE_DIR: folder }), own, "the one that is there");
    const service = `/run/user/${process.geteuid?.()}/authd/authd.sock`;
    const absent = join(folder, "none");
    const wanted = existsSync(service) ? service : join(absent, "authd.sock");
    t.is(clientSocketPath({ AUTHD_STATE_DIR: absent }), wanted);
  },
);
