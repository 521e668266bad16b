import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import net from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { identify, ProcessIdentities } from "../../../src/access/identity/identities.ts";
import { type Peer, peerOf } from "../../../src/rpc/peer.ts";
import { type Running, start } from "../../helpers/child.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { asRoot, onLinux } from "../../helpers/optional.ts";
import { until } from "../../helpers/until.ts";

const CONNECT = `require("node:net").connect(process.argv.at(-1)).resume().on("error", () => {})`;

/** A program that speaks for itself: a copy of node under another name. */
function program(dir: string, name = "backup"): string {
  const path = join(realpathSync(dir), name);
  copyFileSync(process.execPath, path);
  chmodSync(path, 0o755);
  return path;
}

interface Listening {
  folder: string;
  path: string;
  next(): Promise<{ peer: Peer; socket: net.Socket }>;
}

async function listen(t: ExecutionContext): Promise<Listening> {
  const folder = temporaryFolder(t);
  const path = join(folder, "s");
  const met: { peer: Peer; socket: net.Socket }[] = [];
  const waiting: ((one: { peer: Peer; socket: net.Socket }) => void)[] = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    t.teardown(() => socket.destroy());
    const one = { peer: peerOf(socket)!, socket };
    const waiter = waiting.shift();
    if (waiter) waiter(one);
    else met.push(one);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
  chmodSync(folder, 0o755);
  chmodSync(path, 0o666);
  const next = async () =>
    met.shift() ?? (await new Promise<{ peer: Peer; socket: net.Socket }>((r) => waiting.push(r)));
  return { folder, path, next };
}

function connectFrom(t: ExecutionContext, command: string[], path: string): Running {
  return start(t, command[0]!, [...command.slice(1), path]);
}

onLinux("a program is known by its executable, its parents and when it started", async (t) => {
  const { folder, path, next } = await listen(t);
  const backup = program(folder);
  const { child } = connectFrom(t, [backup, "-e", CONNECT], path);
  const { peer } = await next();
  const identity = identify(peer);
  t.is(identity.actor?.pid, child.pid);
  t.is(identity.actor?.executable, backup);
  // Newer Nodes give themselves another name.
  t.is(identity.actor?.name, readFileSync(`/proc/${child.pid}/comm`, "utf8").trim());
  t.is(identity.chain[1]?.pid, process.pid);
  t.true((identity.chain[1]?.startedAt ?? Infinity) <= (identity.actor?.startedAt ?? 0));
  t.is(identity.unknownReason, undefined);
  t.is(identity.displayName, `${backup} (process ${child.pid})`);
  t.true(identity.gids?.includes(process.getegid!()));
});

onLinux("a script is shown beside its interpreter", async (t) => {
  const { path, next } = await listen(t);
  connectFrom(t, ["sh", "-c", 'exec "$0" -e "$1" "$2"', process.execPath, CONNECT], path);
  const { actor, displayName: shown } = identify((await next()).peer);
  t.is(actor?.executable, realpathSync(process.execPath));
  t.regex(shown, /node.*\(process \d+\)$/);
});

onLinux("a program given in the arguments is no script", async (t) => {
  const { path, next } = await listen(t);
  connectFrom(t, [process.execPath, "-e", CONNECT], path);
  const { actor, displayName: shown } = identify((await next()).peer);
  t.is(actor?.script, undefined);
  t.regex(shown, /^\S+ \(process \d+\)$/);
});

onLinux("a program whose file was replaced vouches for nothing", async (t) => {
  const { folder, path, next } = await listen(t);
  const backup = program(folder);
  connectFrom(t, [backup, "-e", CONNECT], path);
  const { peer } = await next();
  renameSync(program(folder, "newer"), backup);
  const { actor, unknownReason: gap } = identify(peer);
  t.is(actor?.executable, undefined);
  t.regex(gap ?? "", /is not the file at .*: start it again/);
});

onLinux("one that has ended is nobody", async (t) => {
  const { path, next } = await listen(t);
  const { child, ended } = connectFrom(t, [process.execPath, "-e", CONNECT], path);
  const { peer } = await next();
  child.kill("SIGKILL");
  await ended;
  const { actor, chain, unknownReason: gap, displayName: shown } = identify(peer);
  t.deepEqual([actor, chain.length], [undefined, 0]);
  t.regex(gap ?? "", /has ended/);
  t.regex(shown, new RegExp(`^process ${peer.pid} of user`));
});

onLinux("a number that another process has by now is noticed", async (t) => {
  const { path, next } = await listen(t);
  connectFrom(t, [process.execPath, "-e", CONNECT], path);
  const { peer } = await next();
  // As on older kernels: a peer's questions to the kernel are methods, which are not copied.
  const older = { ...peer };
  t.is(identify({ ...peer, pidfd: () => "gone" }).actor, undefined, "it was waited for");
  t.not(identify(older).actor, undefined, "by its start time alone");
  t.is(identify({ ...older, connectedAt: 1 }).actor, undefined, "it started later");
  const another = { ...peer, pid: process.pid, pidfd: () => peer.pidfd?.() };
  t.is(identify(another).actor, undefined, "the descriptor is another's");
});

onLinux("what was found out is kept for the connection", async (t) => {
  const { path, next } = await listen(t);
  const { child, ended } = connectFrom(t, [process.execPath, "-e", CONNECT], path);
  const { peer, socket } = await next();
  const identities = new ProcessIdentities();
  const first = identities.of(socket, peer);
  child.kill("SIGKILL");
  await ended;
  t.is(identities.of(socket, peer), first);
  t.is(identities.of({}, peer).actor, undefined);
});

onLinux("the digest is that of the running file, not of what stands at its path", async (t) => {
  const { folder, path, next } = await listen(t);
  const backup = program(folder);
  connectFrom(t, [backup, "-e", CONNECT], path);
  const { peer, socket } = await next();
  const identities = new ProcessIdentities();
  const identity = identities.of(socket, peer);
  const digest = createHash("sha256").update(readFileSync(backup)).digest("hex");
  rmSync(backup);
  t.like(await identities.content(identity), { sha256: digest, isInterpreter: true });
});

onLinux(
  "a process that runs another program by now is not vouched for by that one's digest",
  async (t) => {
    const { folder, path, next } = await listen(t);
    const backup = program(folder);
    // Keeps the connection over the exec, as bash does with its descriptors.
    const script = `import os,socket,sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2]); s.set_inheritable(True)
sys.stdin.readline(); os.execv(sys.argv[1], [sys.argv[1], "-e", "setInterval(() => {}, 1e6)"])`;
    const { child } = start(t, "python3", ["-c", script, backup, path], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { peer, socket } = await next();
    const identities = new ProcessIdentities();
    const identity = identities.of(socket, peer);
    t.not(await identities.content(identity), undefined);
    child.stdin?.write("now\n");
    await until(() => readlinkSync(`/proc/${peer.pid}/exe`) === backup);
    t.is(await identities.content(identity), undefined);
    t.is(identities.of(socket, peer).actor?.executable, identity.actor?.executable);
  },
);

test("where nothing can be known, that is said", (t) => {
  const { actor, gids, unit, container, unknownReason: gap } = identify(undefined);
  t.deepEqual([actor, gids, unit, container], [undefined, undefined, undefined, undefined]);
  t.regex(gap ?? "", /does not tell/);
});

asRoot("of another user's program everything is known to root", async (t) => {
  const { path, next } = await listen(t);
  const other = ["setpriv", "--reuid=65534", "--regid=65534", "--groups=65534,50"];
  connectFrom(t, [...other, process.execPath, "-e", CONNECT], path);
  const { peer, gids, actor } = identify((await next()).peer);
  t.is(peer?.uid, 65534);
  t.deepEqual(gids, [65534, 50]);
  t.is(actor?.executable, realpathSync(process.execPath));
});

onLinux("the log's description of a program tells what its whole identity does", async (t) => {
  const { folder, path, next } = await listen(t);
  const script = join(folder, "script.js");
  writeFileSync(script, CONNECT);
  for (const command of [
    [program(folder), "-e", CONNECT],
    [process.execPath, script],
  ]) {
    const { child } = connectFrom(t, command, path);
    const { peer, socket } = await next();
    const { actor, unit } = identify(peer);
    const told = new ProcessIdentities().programOf(socket, peer);
    t.like(told, { uid: process.geteuid!(), pid: child.pid, program: actor?.executable });
    t.deepEqual([told.script, told.unit], [actor?.script, unit ?? undefined]);
  }
});

onLinux("connections of one process share a description, one for each executable", async (t) => {
  const { folder, path, next } = await listen(t);
  const backup = program(folder);
  const script = `import os,socket,sys
for again in range(2):
  s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2]); s.set_inheritable(True)
sys.stdin.readline(); os.execv(sys.argv[1], [sys.argv[1], "-e", ${JSON.stringify(CONNECT)}, sys.argv[2]])`;
  const { child } = start(t, "python3", ["-c", script, backup, path], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const identities = new ProcessIdentities();
  const [first, second] = [await next(), await next()];
  const told = identities.programOf(first.socket, first.peer);
  t.regex(told.program ?? "", /python/);
  if (first.peer.pidfd?.() === undefined) {
    t.pass("before Linux 6.5");
    return;
  }
  t.is(identities.programOf(second.socket, second.peer), told);
  child.stdin?.write("now\n");
  const third = await next();
  t.is(third.peer.pid, first.peer.pid);
  t.is(identities.programOf(third.socket, third.peer).program, backup);
  t.is(identities.of(third.socket, third.peer).actor?.executable, backup);
  // The connection is the other program's: neither executable may decide a rule.
  const { actor, unknownReason } = identities.of(first.socket, first.peer);
  t.is(actor, undefined);
  t.regex(unknownReason ?? "", /runs another program by now/);
  t.is(identities.programOf(first.socket, first.peer), told);
});

onLinux(
  "of a process that has ended the log tells no program, whatever was known of it",
  async (t) => {
    const { folder, path, next } = await listen(t);
    const connectTwice = `${CONNECT}; ${CONNECT}`;
    const { child, ended } = connectFrom(t, [program(folder), "-e", connectTwice], path);
    const [first, second] = [await next(), await next()];
    const identities = new ProcessIdentities();
    t.not(identities.programOf(first.socket, first.peer).program, undefined);
    child.kill("SIGKILL");
    await ended;
    const { uid, pid } = second.peer;
    t.like(identities.programOf(second.socket, second.peer), { uid, pid, program: undefined });
  },
);

onLinux("the log names no later process that has the number of one that has ended", async (t) => {
  const { folder, path, next } = await listen(t);
  connectFrom(t, [program(folder), "-e", CONNECT], path);
  const later = await next();
  const { child, ended } = connectFrom(t, [process.execPath, "-e", CONNECT], path);
  const earlier = await next();
  child.kill("SIGKILL");
  await ended;
  const identities = new ProcessIdentities();
  t.is(identities.programOf(later.socket, later.peer).program, join(folder, "backup"));
  const peer = { ...earlier.peer, pid: later.peer.pid, connectedAt: 1 };
  t.is(identities.programOf(earlier.socket, peer).program, undefined);
  t.is(identities.programOf({}, later.peer).program, join(folder, "backup"), "still known");
});
