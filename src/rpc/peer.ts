import type { Socket } from "node:net";
import { uptime } from "node:os";
import { lastError, libc } from "../base/libc.ts";
import type { Guests, RestrictedSocket } from "../config/settings.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import { pipePeer } from "./pipe-peer.ts";

/** The process on the other end of a Unix socket or a named pipe, as the kernel noted it when the peer connected. */
export interface Peer {
  /** Undefined on Windows, where users have no numbers, and others are refused. */
  uid: number | undefined;
  gid?: number | undefined;
  pid: number;
  /** Boot time (ms) of the connection. A process with this pid that started later is a different process. */
  connectedAt: number;
  /** Returns the groups beside `gid` at the time of the connection; undefined when the kernel can't be asked (any more). */
  groups?(): readonly number[] | undefined;
  /**
   * A descriptor that stands for this very process (Linux 6.5 and later); the caller closes it.
   * "gone": the process has ended, and its number may be another's.
   */
  pidfd?(): number | "gone" | undefined;
  /** The restricted socket that it connected by; absent: the daemon's own. */
  readonly restriction?: RestrictedSocket | undefined;
}

/** The daemon's own user, which never changes; undefined on Windows. */
const OWN_UID = process.geteuid?.();

const NOBODY: Guests = { uids: [], gids: [] };

/** Questions to a platform's kernel about the peer of a socket. */
interface Lookup {
  credentials(fd: number): { uid: number; gid: number; pid: number };
  groups(fd: number): number[];
  pidfd?(fd: number): number | "gone" | undefined;
}

const lookups: Partial<Record<NodeJS.Platform, Lookup>> = {
  linux: { credentials: ucred, groups: peerGroups, pidfd: pidfdOf },
  android: { credentials: ucred, groups: peerGroups },
  darwin: { credentials: xucred, groups: xucredGroups },
};

/**
 * The process on the other end of a connected Unix socket, or, in the event of its connection, of a named pipe.
 * Throws where the kernel can't be asked, and AuthdError where others are refused: the connection must then be, too.
 */
export function peerOf(socket: Socket, restriction?: RestrictedSocket): Peer {
  if (process.platform === "win32") return pipePeer();
  const lookup = lookups[process.platform];
  if (!lookup) throw new Error(`no way to identify a socket's peer on ${process.platform}`);
  return new SocketPeer(socket, lookup, restriction);
}

/** Asks the kernel for groups and pidfd when they are wanted, as long as the socket is open. */
class SocketPeer implements Peer {
  readonly uid: number;
  readonly gid: number | undefined;
  readonly pid: number;
  readonly connectedAt = bootTimeMs();
  readonly restriction: RestrictedSocket | undefined;
  readonly #socket: Socket;
  readonly #lookup: Lookup;

  constructor(socket: Socket, lookup: Lookup, restriction: RestrictedSocket | undefined) {
    this.restriction = restriction;
    const { uid, gid, pid } = lookup.credentials(descriptorOf(socket));
    this.uid = uid;
    this.gid = gid;
    this.pid = pid;
    this.#socket = socket;
    this.#lookup = lookup;
  }

  groups(): readonly number[] | undefined {
    return ifSocketOpen(this.#socket, this.#lookup.groups);
  }

  pidfd(): number | "gone" | undefined {
    const { pidfd } = this.#lookup;
    return pidfd && ifSocketOpen(this.#socket, pidfd);
  }
}

/** The system reads a file for its boot time; between two readings (ms) the monotonic clock carries it on. */
const BOOT_TIME_MAX_AGE_MS = 10;
let bootOffsetMs = 0;
let bootReadAtMs = Number.NEGATIVE_INFINITY;

/** Returns the boot time. After a suspend it may be too early for a moment, never too late. */
function bootTimeMs(): number {
  const nowMs = performance.now();
  if (nowMs - bootReadAtMs > BOOT_TIME_MAX_AGE_MS) {
    bootOffsetMs = uptime() * 1_000 - nowMs;
    bootReadAtMs = nowMs;
  }
  return nowMs + bootOffsetMs;
}

/** Undefined when the socket is closed, or the kernel does not tell. */
function ifSocketOpen<Answer>(socket: Socket, ask: (fd: number) => Answer): Answer | undefined {
  try {
    return ask(descriptorOf(socket));
  } catch {
    return undefined;
  }
}

/** Returns all groups of a peer; undefined if they can't be had. */
export function groupsOf(peer: Peer): readonly number[] | undefined {
  const { gid } = peer;
  const others = peer.groups?.();
  return gid === undefined || others === undefined ? undefined : [...new Set([gid, ...others])];
}

/**
 * True if a peer may do all that the daemon's own user may: it is of that user, or root, and did not come by a
 * restricted socket. On Windows others are refused when they connect.
 */
export function isOwnPeer(peer: Peer | undefined): boolean {
  return isOwnUser(peer) && peer?.restriction === undefined;
}

/** True if a peer is of the daemon's own user, or root, by whatever socket. */
export function isOwnUser(peer: Peer | undefined): boolean {
  return !peer || peer.uid === 0 || peer.uid === OWN_UID;
}

/** Our own user, root, and these guests. */
export function isWelcome(peer: Peer | undefined, guests: Guests = NOBODY): boolean {
  return isOwnUser(peer) || isGuest(peer!, guests);
}

/**
 * Lets our own user, root and these guests pass, and says who it is (see peerOf). Without guests that
 * is as ssh-agent does it. Fails closed: a peer that can't be identified is AuthdError
 * `caller_not_allowed` too.
 */
export function assertWelcome(
  socket: Socket,
  guests: Guests = NOBODY,
  restriction?: RestrictedSocket,
): Peer | undefined {
  let peer: Peer | undefined;
  try {
    peer = peerOf(socket, restriction);
  } catch (cause) {
    if (cause instanceof AuthdError) throw cause;
    throw new AuthdError(
      "caller_not_allowed",
      `Refused a connection because its user can't be told: ${messageOf(cause)}. Run "authd doctor".`,
      { cause },
    );
  }
  if (!peer || isWelcome(peer, guests)) return peer;
  throw new AuthdError(
    "caller_not_allowed",
    `User ${peer.uid} (process ${peer.pid}) may not use the authd of user ${OWN_UID}. ` +
      "Each user runs an own authd; use the socket of yours. If this one is for several users, name them under [access] in its config.toml.",
  );
}

function isGuest(peer: Peer, { uids, gids }: Guests): boolean {
  if (peer.uid !== undefined && uids.includes(peer.uid)) return true;
  return gids.length > 0 && (groupsOf(peer) ?? []).some((gid) => gids.includes(gid));
}

/** Linux, unix(7): `struct ucred { pid_t pid; uid_t uid; gid_t gid; }`. */
function ucred(fd: number) {
  const SOL_SOCKET = 1;
  const SO_PEERCRED = 17;
  const [pid, uid, gid] = option(fd, SOL_SOCKET, SO_PEERCRED, 12);
  return { uid: uid!, gid: gid!, pid: pid! };
}

/** Linux, pidfd_open(2): undefined on kernels before 6.5. */
function pidfdOf(fd: number): number | "gone" | undefined {
  const SOL_SOCKET = 1;
  const SO_PEERPIDFD = 77;
  try {
    return option(fd, SOL_SOCKET, SO_PEERPIDFD, 4)[0];
  } catch (error) {
    // An older kernel does not know the option. One that does has no process for it any more.
    return errorCode(error) === "ENOPROTOOPT" ? undefined : "gone";
  }
}

/** Linux, unix(7): as many gid_t as there are supplementary groups, NGROUPS_MAX at most. */
function peerGroups(fd: number): number[] {
  const SOL_SOCKET = 1;
  const SO_PEERGROUPS = 59;
  const MOST = 65_536;
  const getsockopt = libc("int getsockopt(int, int, int, void *, void *)");
  for (const count of [64, MOST]) {
    const groups = new Uint32Array(count);
    const length = new Uint32Array([groups.byteLength]);
    if (getsockopt?.(fd, SOL_SOCKET, SO_PEERGROUPS, groups, length) === 0) {
      return [...groups.subarray(0, length[0]! / groups.BYTES_PER_ELEMENT)];
    }
    const error = lastError("getsockopt");
    if (error.code !== "ERANGE") throw error;
  }
  throw new Error("more groups than Linux allows");
}

/**
 * macOS, <sys/ucred.h>: `struct xucred { u_int cr_version; uid_t cr_uid; short cr_ngroups;
 * gid_t cr_groups[16]; }`, where the first group is the effective one.
 */
function xucred(fd: number) {
  const LOCAL_PEERPID = 2;
  const [, uid, , gid] = peerCredentials(fd);
  const [pid] = option(fd, SOL_LOCAL, LOCAL_PEERPID, 4);
  return { uid: uid!, gid: gid!, pid: pid! };
}

function xucredGroups(fd: number): number[] {
  const [, , lengths, ...groups] = peerCredentials(fd);
  // A short, and two bytes that nobody uses.
  return [...groups].slice(0, Math.min(16, lengths! & 0xffff));
}

const SOL_LOCAL = 0;

function peerCredentials(fd: number): Uint32Array {
  const LOCAL_PEERCRED = 1;
  const XUCRED_VERSION = 0;
  const credentials = option(fd, SOL_LOCAL, LOCAL_PEERCRED, 76);
  if (credentials[0] === XUCRED_VERSION) return credentials;
  throw new Error("LOCAL_PEERCRED answers in an unknown format");
}

/** The largest option that is asked for, 76 bytes, in words. */
const optionValue = new Uint32Array(19);
const optionLength = new Uint32Array(1);

/**
 * getsockopt(2), in words that are good until the next call; an answer of another size than expected is
 * another option's.
 */
function option(fd: number, level: number, name: number, bytes: number): Uint32Array {
  const getsockopt = libc("int getsockopt(int, int, int, void *, void *)");
  optionLength[0] = bytes;
  if (getsockopt?.(fd, level, name, optionValue, optionLength) !== 0) throw lastError("getsockopt");
  if (optionLength[0] !== bytes)
    throw new Error(`getsockopt answered ${optionLength[0]} bytes, not ${bytes}`);
  return optionValue;
}

/** Returns a socket's descriptor, which Node keeps in an undocumented place, and drops when the socket closes. */
export function descriptorOf(socket: Socket): number {
  const { _handle } = socket as Socket & { _handle?: { fd?: number } | null };
  const fd = _handle?.fd;
  if (fd === undefined || fd < 0) throw new Error("the connection is closed");
  return fd;
}
