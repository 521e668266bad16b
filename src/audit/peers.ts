import { Attachment } from "../base/attachment.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Peer } from "../rpc/peer.ts";
import type { AuditPeer, ClientProgram } from "./entry.ts";

/** Tells of the programs behind connections. */
export interface ClientPrograms {
  /** Returns the same object for equal connections of one process. */
  programOf(connection: object, peer: Peer | undefined): ClientProgram;
}

/** Names of programs are anybody's choice. */
const MAX_NAME_LENGTH = 300;

/**
 * Describes clients as the log names them: found out once for each connection, while the process is still
 * there. Equal connections of one process share one description.
 */
export class AuditPeers {
  readonly #identities: ClientPrograms;
  readonly #byConnection = new Attachment<AuditPeer>();
  readonly #byProgram = new WeakMap<ClientProgram, AuditPeer>();
  /** Of clients by restricted sockets: by the socket's name. */
  readonly #restricted = new WeakMap<ClientProgram, Map<string, AuditPeer>>();

  constructor(identities: ClientPrograms) {
    this.#identities = identities;
  }

  of(connection: object, peer: Peer | undefined): AuditPeer {
    const known = this.#byConnection.of(connection);
    if (known) return known;
    const program = this.#identities.programOf(connection, peer);
    if (peer?.restriction)
      return this.#byConnection.set(connection, this.#bySocket(program, peer.restriction.name));
    const described = this.#byProgram.get(program) ?? describeProgram(program);
    this.#byProgram.set(program, described);
    return this.#byConnection.set(connection, described);
  }

  /** Returns the same object for equal connections of one process by one socket. */
  #bySocket(program: ClientProgram, socket: string): AuditPeer {
    const known = this.#restricted.get(program) ?? new Map<string, AuditPeer>();
    this.#restricted.set(program, known);
    const described = known.get(socket) ?? { ...describeProgram(program), socket };
    known.set(socket, described);
    return described;
  }
}

function describeProgram({
  uid,
  pid,
  program,
  programPid,
  script,
  unit,
  pod,
  container,
}: ClientProgram): AuditPeer {
  return omitUndefined({
    uid,
    pid,
    program: program?.slice(0, MAX_NAME_LENGTH),
    programPid,
    script: script?.slice(0, MAX_NAME_LENGTH),
    unit: unit?.slice(0, MAX_NAME_LENGTH),
    pod: pod?.slice(0, MAX_NAME_LENGTH),
    container,
  });
}
