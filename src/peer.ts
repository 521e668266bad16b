import type { Socket } from "node:net";
import { uptime } from "node:os";
import { AuthdError, messageOf } from "./errors.ts";
import { lastError, libc } from "./libc.ts";

/** Who is on the other end of a Unix socket, as the kernel noted it when the peer connected. */
export interface Peer {
  uid: number;
  gid?: number;
  pid: number;
  /** Boot time (ms) at which it was seen: a process that started later only has its number. */
  connectedAt: number;
  /** A descriptor that stands for this very process (Linux 6.5 and later); the caller closes it. */
  pidfd?: () => number | undefined;
}

/** How a platform's kernel is asked about the peer of a socket. */
type Lookup = (fd: number) => Pick<Peer, "uid" | "gid" | "pid">;

/** Windows has no row: a named pipe's access list keeps other users out before they connect. */
const lookups: Partial<Record<NodeJS.Platform, Lookup>> = {
  linux: ucred,
  android: ucred,
  darwin: xucred,
};

/**
 * The process on the other end of a connected Unix socket; undefined on Windows.
 * Throws where the kernel should know but can't be asked: the connection must then be refused.
 */
export function peerOf(socket: Socket): Peer | undefined {
  if (process.platform === "win32") return undefined;
  const lookup = lookups[process.platform];
  if (!lookup) throw new Error(`no way to identify a socket's peer on ${process.platform}`);
  const peer: Peer = { ...lookup(descriptorOf(socket)), connectedAt: uptime() * 1_000 };
  return process.platform === "linux" ? { ...peer, pidfd: () => pidfdOf(socket) } : peer;
}

/** Whether a peer is of our own user, or root. On Windows nobody else gets through the pipe. */
export function isOwnPeer(peer: Peer | undefined): boolean {
  return !peer || peer.uid === 0 || peer.uid === process.geteuid?.();
}

/**
 * Lets only our own user and root pass, as ssh-agent does, and says who it is (see peerOf). Fails
 * closed: a peer that can't be identified is AuthdError `caller_not_allowed` too.
 */
export function assertOwnPeer(socket: Socket): Peer | undefined {
  const own = process.geteuid?.();
  let peer: Peer | undefined;
  try {
    peer = peerOf(socket);
  } catch (cause) {
    throw new AuthdError(
      "caller_not_allowed",
      `Refused a connection because its user can't be told: ${messageOf(cause)}. Run "authd doctor".`,
      { cause },
    );
  }
  if (!peer || isOwnPeer(peer)) return peer;
  throw new AuthdError(
    "caller_not_allowed",
    `User ${peer.uid} (process ${peer.pid}) may not use the authd of user ${own}. ` +
      "Each user runs an own authd; use the socket of yours.",
  );
}

/** Linux, unix(7): `struct ucred { pid_t pid; uid_t uid; gid_t gid; }`. */
function ucred(fd: number) {
  const SOL_SOCKET = 1;
  const SO_PEERCRED = 17;
  const [pid, uid, gid] = new Uint32Array(option(fd, SOL_SOCKET, SO_PEERCRED, 12).buffer);
  return { uid: uid!, gid: gid!, pid: pid! };
}

/** Linux, pidfd_open(2): undefined on older kernels, and when the process was waited for. */
function pidfdOf(socket: Socket): number | undefined {
  const SOL_SOCKET = 1;
  const SO_PEERPIDFD = 77;
  try {
    return new Int32Array(option(descriptorOf(socket), SOL_SOCKET, SO_PEERPIDFD, 4).buffer)[0];
  } catch {
    return undefined;
  }
}

/**
 * macOS, <sys/ucred.h>: `struct xucred { u_int cr_version; uid_t cr_uid; short cr_ngroups;
 * gid_t cr_groups[16]; }`, where the first group is the effective one.
 */
function xucred(fd: number) {
  const SOL_LOCAL = 0;
  const LOCAL_PEERCRED = 1;
  const LOCAL_PEERPID = 2;
  const XUCRED_VERSION = 0;
  const [version, uid, , gid] = new Uint32Array(option(fd, SOL_LOCAL, LOCAL_PEERCRED, 76).buffer);
  if (version !== XUCRED_VERSION) throw new Error("LOCAL_PEERCRED answers in an unknown format");
  const [pid] = new Uint32Array(option(fd, SOL_LOCAL, LOCAL_PEERPID, 4).buffer);
  return { uid: uid!, gid: gid!, pid: pid! };
}

/** getsockopt(2); an answer of another size than expected is another option's. */
function option(fd: number, level: number, name: number, bytes: number): Uint8Array {
  const getsockopt = libc("int getsockopt(int, int, int, void *, void *)");
  const value = new Uint8Array(bytes);
  const length = new Uint32Array([bytes]);
  if (getsockopt?.(fd, level, name, value, length) !== 0) throw lastError("getsockopt");
  if (length[0] !== bytes) throw new Error(`getsockopt answered ${length[0]} bytes, not ${bytes}`);
  return value;
}

/** Node keeps the descriptor in an undocumented place, and drops it when the socket closes. */
function descriptorOf(socket: Socket): number {
  const { _handle } = socket as Socket & { _handle?: { fd?: number } | null };
  const fd = _handle?.fd;
  if (fd === undefined || fd < 0) throw new Error("the connection is closed");
  return fd;
}
