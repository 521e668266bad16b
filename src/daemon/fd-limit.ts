import { libc } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import { DEFAULT_LIMITS } from "../rpc/server.ts";

/** Descriptors for files, issuers, the service manager, processes that have connected, and Node itself. */
const SPARE = 64;

export interface Affordable {
  /** Clients connected at once. */
  connections: number;
  /** Requests to APIs in flight at once: each may take a connection of its own. */
  answers: number;
}

/** File descriptors that this process may have open: Node has raised it as far as it is allowed to. */
export function descriptorLimit(): number | undefined {
  const RLIMIT_NOFILE = process.platform === "darwin" ? 8 : 7;
  const limits = new BigUint64Array(2);
  const getrlimit = libc("int getrlimit(int, void *)");
  if (getrlimit?.(RLIMIT_NOFILE, limits) !== 0) return undefined;
  return Number(limits[0]);
}

/**
 * Returns limits that fit into so many descriptors. Clients get half of what is not spare: if they took all, the
 * daemon could accept them but neither ask an issuer nor write the vault.
 */
export function clampToFdLimit(wanted: Affordable, limit: number | undefined): Affordable {
  if (limit === undefined) return wanted;
  const half = Math.max(1, Math.floor((limit - SPARE) / 2));
  return {
    connections: Math.min(wanted.connections, half),
    answers: Math.min(wanted.answers, half),
  };
}

/** Descriptors with which so many clients can be served. */
export function descriptorsFor(connections: number): number {
  return 2 * connections + SPARE;
}

/** Returns limits for as many clients as were asked for, or as the system has file descriptors for. */
export function serverLimits(maxConnections: number, log: Log) {
  const limit = descriptorLimit();
  const { answers } = DEFAULT_LIMITS;
  const limits = clampToFdLimit({ connections: maxConnections, answers }, limit);
  if (limits.connections < maxConnections) {
    const text = `max_connections = ${maxConnections} takes ${descriptorsFor(maxConnections)} file descriptors, and the system allows ${limit}: ${limits.connections} clients are served at once. Raise the limit (ulimit -Hn, LimitNOFILE=).`;
    log.warn({}, text);
  }
  return limits;
}
