import type { Identities, Identity } from "../access/identity/identity.ts";
import type { Peer } from "../rpc/peer.ts";
import type { AuditPeer } from "./entry.ts";

/** Names of programs are anybody's choice. */
const LONGEST = 300;

/** Who asks, as the log tells it: found out once a connection, while whoever asks is still there. */
export class AuditPeers {
  readonly #identities: Identities;
  readonly #known = new WeakMap<object, AuditPeer>();

  constructor(identities: Identities) {
    this.#identities = identities;
  }

  of(connection: object, peer: Peer | undefined): AuditPeer {
    const known = this.#known.get(connection);
    if (known) return known;
    const described = describePeer(this.#identities.of(connection, peer));
    this.#known.set(connection, described);
    return described;
  }
}

function describePeer({ peer, actor, unit }: Identity): AuditPeer {
  const program = actor?.executable ?? actor?.name;
  return {
    ...(peer ? { uid: peer.uid, pid: peer.pid } : {}),
    ...(program === undefined ? {} : { program: program.slice(0, LONGEST) }),
    ...(actor && actor.pid !== peer?.pid ? { programPid: actor.pid } : {}),
    ...(actor?.script === undefined ? {} : { script: actor.script.slice(0, LONGEST) }),
    ...(unit ? { unit: unit.slice(0, LONGEST) } : {}),
  };
}
