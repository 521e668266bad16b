import {
  chmodSync,
  chownSync,
  lstatSync,
  readlinkSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import * as net from "node:net";
import { userInfo } from "node:os";
import { dirname, join, resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder } from "../base/make-folder.ts";
import { stateDir } from "../config/directories.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Node cuts longer paths off in silence; the kernel's `sun_path` has one byte more, for a NUL. */
const longestPath = (platform: NodeJS.Platform) => (platform === "darwin" ? 103 : 107);
/** Connections that wait to be accepted: as many as Linux allows by itself (net.core.somaxconn). */
const BACKLOG = 4096;
/** Number of tries to connect, and the time between them (ms), while too many others wait. */
const CONNECT_TRIES = 50;
const CONNECT_PAUSE_MS = 20;
const PIPE = "\\\\.\\pipe\\";

/**
 * Returns where daemon and clients meet by default: an absolute path, on Windows a named
 * pipe. Throws AuthdError `invalid_params` if the path is longer than a socket's may be.
 */
export function defaultSocketPath(
  env: Env = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env.AUTHD_SOCKET) return checkedPath(env.AUTHD_SOCKET, platform);
  if (platform === "win32") return `${PIPE}authd-${env.USERNAME || userInfo().username}`;
  const runtime = env.XDG_RUNTIME_DIR;
  const folder = runtime?.startsWith("/") ? join(runtime, "authd") : stateDir(env, platform);
  return checkedPath(join(folder, "authd.sock"), platform);
}

/**
 * Where a client looks for the daemon: as `defaultSocketPath`, but where nobody says otherwise, also where
 * a service of the same user listens: cron, su and the like leave XDG_RUNTIME_DIR out. Of two sockets the newer
 * one counts: a vault has one daemon, and one that was killed leaves its socket behind.
 */
export function clientSocketPath(env: Env = process.env): string {
  const path = defaultSocketPath(env);
  const isTold = env.AUTHD_SOCKET || env.XDG_RUNTIME_DIR?.startsWith("/");
  if (process.platform !== "linux" || isTold) return path;
  const service = `/run/user/${process.geteuid?.()}/authd/authd.sock`;
  return boundAtMs(service) > boundAtMs(path) ? service : path;
}

/** Returns when a socket was bound, ms since the epoch; 0: none is there. */
function boundAtMs(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function checkedPath(given: string, platform: NodeJS.Platform): string {
  if (given.startsWith(PIPE)) return given;
  const path = platform === "win32" ? `${PIPE}${given.replaceAll(/[\\/:]/g, "-")}` : resolve(given);
  const longest = longestPath(platform);
  if (platform === "win32" || Buffer.byteLength(path) <= longest) return path;
  throw new AuthdError(
    "invalid_params",
    `The socket path ${path} is ${Buffer.byteLength(path)} bytes long; ${longest} are possible. ` +
      "Name a shorter one in AUTHD_SOCKET.",
  );
}

/** A socket that is being listened on. */
export interface Listening {
  path: string;
  /** Removes the socket file, if it is still ours. Call before closing the server. */
  release(): void;
}

interface Openness {
  /** Group whose members can reach the socket. */
  gid?: number | undefined;
  /** Permissions of the socket; 0600 unless given. */
  mode?: number | undefined;
}

/**
 * Listens on a path that is then open to our own user, and to the group `gid` or by `mode` if given. Throws
 * AuthdError `request_failed` if a daemon answers there already or the place can't be trusted; nothing
 * has been changed then.
 *
 * The socket is bound under a name of its own and renamed into place: a dead socket is replaced in
 * one step, and libuv, which removes the name that it bound, never removes a successor's socket.
 * Two daemons that start in the same instant may both find nobody there; the later one then has
 * the path, and the vault's lock decides which of them goes on.
 */
export async function listen(
  server: net.Server,
  given: string,
  { gid, mode }: Openness = {},
): Promise<Listening> {
  const path = checkedPath(given, process.platform);
  if (path.startsWith(PIPE)) {
    await refuseAnswering(path);
    await bindPipe(server, path);
    return { path, release: () => {} };
  }
  prepareFolder(dirname(path), gid);
  await refuseOccupied(path);
  const bound = await bindAside(server, path);
  if (gid !== undefined) openToGroup(bound, gid, 0o660);
  if (mode !== undefined) chmodSync(bound, mode);
  const ours = lstatSync(bound);
  try {
    // Somebody may have come first since we looked; what is not a socket must survive that too.
    await refuseOccupied(path);
    renameSync(bound, path);
  } catch (error) {
    server.close();
    throw error;
  }
  return {
    path,
    release() {
      const now = lstatSync(path, { throwIfNoEntry: false });
      if (now?.ino === ours.ino && now.dev === ours.dev) unlinkSync(path);
    },
  };
}

/** Connects; rejects with Node's own error. The socket stays open for the answers to come. */
export async function connect(path: string): Promise<net.Socket> {
  for (let tries = 1; ; tries++) {
    try {
      return await connectOnce(path);
    } catch (error) {
      // What Linux says of a Unix socket on which too many wait to be accepted.
      const crowded = errorCode(error) === "EAGAIN";
      if (!crowded || tries === CONNECT_TRIES) throw error;
      await sleep(CONNECT_PAUSE_MS);
    }
  }
}

function connectOnce(path: string): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** The first descriptor that a service manager passes (sd_listen_fds(3)). */
const FIRST_FD = 3;

/**
 * Listens on the socket that the service manager holds for us, if there is one. Its variables are
 * removed from `env`, so that no child process takes them for its own. The file stays.
 */
export async function listenActivated(
  server: net.Server,
  env: NodeJS.ProcessEnv = process.env,
): Promise<boolean> {
  const meant = env.LISTEN_PID === String(process.pid) && Number(env.LISTEN_FDS) >= 1;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (meant) await bind(server, { fd: FIRST_FD });
  return meant;
}

function bind(server: net.Server, address: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Leaves the pipe to programs of our own user, before anybody is accepted. */
async function bindPipe(server: net.Server, path: string): Promise<void> {
  // Loaded here only: no client needs it.
  const { closePipe } = await import("../base/windows/access-list.ts");
  const { newestPipe } = await import("../base/windows/pipe.ts");
  const bound = bind(server, { path });
  try {
    // Otherwise `bound` rejects.
    if (server.listening) closePipe(newestPipe());
  } catch (cause) {
    server.close();
    throw listenError(`The pipe ${path} can't be closed to others: ${messageOf(cause)}.`, cause);
  }
  await bound;
}

/** Binds under a random name beside `path`, short enough wherever `path` itself is. */
async function bindAside(server: net.Server, path: string): Promise<string> {
  const folder = dirname(path);
  const room = longestPath(process.platform) - Buffer.byteLength(join(folder, "/"));
  for (let tries = 0; ; tries++) {
    const name = Math.random()
      .toString(36)
      .slice(2, 2 + Math.min(room, 6));
    const bound = join(folder, name);
    if (bound === path) continue;
    // Only the bind itself happens under this umask: Node binds a path before it returns.
    const umask = process.umask(0o177);
    try {
      const bindDone = bind(server, { path: bound });
      process.umask(umask);
      await bindDone;
      return bound;
    } catch (cause) {
      const code = errorCode(cause);
      if (code === "EADDRINUSE" && tries < 100) continue;
      throw listenError(`authd can't make its socket in ${folder}: ${messageOf(cause)}.`, cause);
    } finally {
      process.umask(umask);
    }
  }
}

/** The group can go through a folder that is made here; one that everybody can go through stays as it is. */
function prepareFolder(folder: string, gid: number | undefined): void {
  try {
    refuseForeignLinks(folder);
    makeFolder(folder, 0o700);
    const stats = statSync(folder);
    refuseShared(folder, stats);
    const isOpen = stats.mode & 0o001 || (stats.gid === gid && stats.mode & 0o010);
    if (gid !== undefined && !isOpen) openToGroup(folder, gid, 0o750);
  } catch (cause) {
    if (cause instanceof AuthdError) throw cause;
    throw listenError(`The socket's folder ${folder} can't be used: ${messageOf(cause)}.`, cause);
  }
}

/** Gives a new folder or socket to the group, before it is used. */
function openToGroup(path: string, gid: number, mode: number): void {
  try {
    chownSync(path, process.geteuid?.() ?? -1, gid);
    chmodSync(path, mode);
  } catch (cause) {
    const hint = `authd's user must be a member of the group ${gid} (SupplementaryGroups= of a unit, or \`usermod -aG\`)`;
    throw listenError(
      `${path} can't be given to socket_group: ${messageOf(cause)}; ${hint}.`,
      cause,
    );
  }
}

function refuseShared(folder: string, { uid, mode }: Stats): void {
  const own = process.geteuid?.();
  if (uid !== own) {
    throw listenError(`The socket's folder ${folder} belongs to user ${uid}, not to you (${own}).`);
  }
  if (mode & 0o022) {
    throw listenError(
      `Others may write to the socket's folder ${folder}. Run \`chmod go-w ${folder}\`, or name another place in AUTHD_SOCKET.`,
    );
  }
}

/** Whoever owns a link on the way decides where the socket is: that must be us or root. */
function refuseForeignLinks(path: string, depth = 0): void {
  if (depth > 40) throw listenError(`The socket's folder ${path} is behind too many links.`);
  const parts = path.split(sep).filter(Boolean);
  let reached = "/";
  for (const [index, part] of parts.entries()) {
    const here = join(reached, part);
    const stats = lstatSync(here, { throwIfNoEntry: false });
    if (!stats) return;
    if (!stats.isSymbolicLink()) {
      reached = here;
      continue;
    }
    const { uid } = stats;
    if (uid !== 0 && uid !== process.geteuid?.()) {
      throw listenError(
        `${here}, on the way to the socket, is a link that belongs to user ${uid}.`,
      );
    }
    const rest = parts.slice(index + 1);
    refuseForeignLinks(join(resolve(reached, readlinkSync(here)), ...rest), depth + 1);
    return;
  }
}

/** Passes if nothing is there or a socket that nobody listens on any more. */
async function refuseOccupied(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (!there) return;
  if (!there.isSocket()) {
    throw listenError(`${path} is not a socket; authd leaves it alone. Move it away.`);
  }
  await refuseAnswering(path);
}

async function refuseAnswering(path: string): Promise<void> {
  try {
    (await connect(path)).destroy();
  } catch (error) {
    const code = errorCode(error);
    if (code === "ECONNREFUSED" || code === "ENOENT") return;
    throw listenError(`Can't tell whether anybody listens on ${path}: ${messageOf(error)}.`, error);
  }
  throw listenError(
    `A daemon answers on ${path} already. Use it, or stop it first (\`authd status\` shows it).`,
  );
}

const listenError = (message: string, cause?: unknown) =>
  new AuthdError("request_failed", message, { cause });
