import { libc } from "../libc.ts";
import type { Peer } from "../peer.ts";

/**
 * Who is slowed down after a wrong passphrase: the peer's session, which is a terminal's window or a
 * service, so that a program that guesses does not keep a person out; its user, where that can't be
 * told. setsid(2) makes a new one, so this is no defence against guesses, but against their harm.
 */
export function guesserOf(peer: Peer | undefined): string {
  if (!peer) return "";
  const session = peer.pid > 0 ? sessionOf(peer.pid) : undefined;
  return session === undefined ? `${peer.uid}` : `${peer.uid}/${session}`;
}

function sessionOf(pid: number): number | undefined {
  try {
    const session = libc("int getsid(int)")?.(pid);
    return session !== undefined && session > 0 ? session : undefined;
  } catch {
    return undefined;
  }
}
