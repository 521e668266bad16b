import type { Peer } from "../../rpc/peer.ts";

/** One process, as its kernel tells of it. What is undefined can't be known. */
export interface ProcessInfo {
  readonly pid: number;
  /** Boot time, ms: together with the pid it names a process for good. */
  readonly startedAt: number;
  readonly uid: number | undefined;
  /** As it calls itself. */
  readonly name: string;
  /** Absolute path, links resolved. */
  readonly executable: string | undefined;
  /** Device and inode of that file, where another program can take its place in the process. */
  readonly image?: string | undefined;
  /** What an interpreter runs, by its arguments: shown to people, never trusted. */
  readonly script: string | undefined;
  /** Its session (setsid(2)): a terminal's window, a service. */
  readonly session?: number | undefined;
  /** Such as `pts/3`. */
  readonly terminal: string | undefined;
}

/** A process, its parent, and why it could not be read as a whole. */
export interface ProcessEntry extends ProcessInfo {
  /** Pid of the parent; 0: none. */
  readonly parent: number;
  /** Undefined: all of it could be read. */
  readonly gap: string | undefined;
}

/** Who asks. */
export interface Identity {
  readonly peer: Peer | undefined;
  /** The process that connected, its parent, and so on; empty if nothing can be known. */
  readonly chain: readonly ProcessInfo[];
  /** Of these the one that counts: behind authd's own client it is who started that. */
  readonly actor: ProcessInfo | undefined;
  /** All groups of the process that connected. */
  readonly gids: readonly number[] | undefined;
  /** systemd unit; null: it is in none. */
  readonly unit: string | null | undefined;
  /** The unit inside the service manager of its user, as that user calls it: no rule may rely on it. */
  readonly userUnit?: string | undefined;
  /** What kind of container it is in, such as `docker`; null: in none. */
  readonly container: string | null | undefined;
  /** Why not all of this can be known. */
  readonly unknownReason: string | undefined;
  /** For people: `/usr/bin/backup (process 4711)`. */
  readonly displayName: string;
}

/** The part of an identity that the audit log names. Absent: it can't be known. */
export interface ClientProgram {
  readonly uid?: number | undefined;
  readonly pid?: number | undefined;
  /** Executable of the actor, or the name that the actor gives itself. */
  readonly program?: string | undefined;
  /** Process of the actor, where that is not the one that connected. */
  readonly programPid?: number | undefined;
  readonly script?: string | undefined;
  readonly unit?: string | undefined;
}

/** Finds out who is behind a connection, when somebody wants to know, and keeps it. */
export interface Identities {
  /** Decides rules: everything is read of the running process, once for each connection. */
  of(connection: object, peer: Peer | undefined): Identity;
  /**
   * Takes less time than `of`, and decides no rule. Returns the same object for equal connections of one
   * process.
   */
  programOf(connection: object, peer: Peer | undefined): ClientProgram;
  /** What is in the actor's executable: its SHA-256 in hexadecimal; undefined if it can't be read. */
  content(
    identity: Identity,
  ): Promise<{ readonly sha256: string; readonly isInterpreter: boolean } | undefined>;
}
