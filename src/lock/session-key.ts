import { identify } from "../access/identity/identities.ts";
import type { ProcessInfo } from "../access/identity/identity.ts";
import { isLauncher } from "../base/interpreter.ts";
import { libc } from "../base/libc.ts";
import type { Peer } from "../rpc/peer.ts";

/** Origin of a passphrase. */
export interface Guesser {
  /**
   * Key under which wrong passphrases are counted: the peer's session, which is a terminal's window or a
   * service, so that a program that guesses does not keep a person out; its user if the session is not
   * known. setsid(2) makes a new session.
   */
  readonly session: string;
  /**
   * The process and its ancestors below the launcher that starts everybody's programs, the oldest first.
   * They tell guesses apart, whatever sessions a program makes. Orphans without a terminal have one
   * ancestor in common.
   */
  readonly lineage: readonly Ancestor[];
}

interface Ancestor {
  readonly id: string;
  /** Boot time, ms. */
  readonly startedAtMs: number;
}

const ORPHANS: Ancestor = { id: "orphans", startedAtMs: Number.POSITIVE_INFINITY };

/** Returns the origin of a passphrase that this peer gives. */
export function sessionKey(peer: Peer | undefined): Guesser {
  if (!peer) return { session: "", lineage: [] };
  const session = peer.pid > 0 ? sessionOf(peer.pid) : undefined;
  return {
    session: session === undefined ? `${peer.uid}` : `${peer.uid}/${session}`,
    lineage: lineageOf(identify(peer).chain),
  };
}

/**
 * Returns the lineage of a process by its chain, itself first. One whose parent has ended without a launcher in its place,
 * as on Windows, is an orphan too.
 */
export function lineageOf(chain: readonly ProcessInfo[]): Ancestor[] {
  const launcher = chain.findIndex((one) => isLauncher(one));
  const own = launcher === -1 ? chain : chain.slice(0, launcher);
  const lineage = own
    .map(({ pid, startedAt }) => ({ id: `${pid}/${startedAt}`, startedAtMs: startedAt }))
    .reverse();
  const isOrphan = chain.length > 0 && own.every(({ terminal }) => terminal === undefined);
  return isOrphan ? [ORPHANS, ...lineage] : lineage;
}

function sessionOf(pid: number): number | undefined {
  try {
    const session = libc("int getsid(int)")?.(pid);
    return session !== undefined && session > 0 ? session : undefined;
  } catch {
    return undefined;
  }
}
