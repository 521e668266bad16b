import type { ClientProgram } from "../../audit/entry.ts";
import type { Peer } from "../../rpc/peer.ts";
import type { Pod } from "./pod.ts";

/** Facts about one process, from the kernel. Undefined: not known. */
export interface ProcessInfo {
  readonly pid: number;
  /** Boot time, ms. Together with the pid it identifies the process. */
  readonly startedAt: number;
  /** Undefined on Windows, too, where users have no numbers. */
  readonly uid: number | undefined;
  /** Name that the process gave itself. */
  readonly name: string;
  /** Absolute path, links resolved. */
  readonly executable: string | undefined;
  /** Device and inode of that file: the process may replace its program. */
  readonly image?: string | undefined;
  /** Script that an interpreter runs, by its arguments: shown to people, never trusted. */
  readonly script: string | undefined;
  /** Session (setsid(2)): a terminal's window, or a service. */
  readonly session?: number | undefined;
  /** Terminal, such as `pts/3`. */
  readonly terminal: string | undefined;
}

/** A process, its parent, and why it could not be read as a whole. */
export interface ProcessEntry extends ProcessInfo {
  /** Pid of the parent; 0: none. */
  readonly parent: number;
  /** Undefined: all of it could be read. */
  readonly gap: string | undefined;
}

/** The program behind a connection. */
export interface Identity {
  readonly peer: Peer | undefined;
  /** The process that connected, its parent, and so on; empty if nothing is known. */
  readonly chain: readonly ProcessInfo[];
  /** The process that counts: the first of the chain that is not authd's own command line. */
  readonly actor: ProcessInfo | undefined;
  /** All groups of the process that connected. */
  readonly gids: readonly number[] | undefined;
  /** systemd unit; null: none. */
  readonly unit: string | null | undefined;
  /** Unit inside the service manager of the user, who chooses its name: no rule may rely on it. */
  readonly userUnit?: string | undefined;
  /** Control group, as a path from the root of all; undefined if it is not known. */
  readonly cgroup?: string | undefined;
  /** Kubernetes pod; null: none. */
  readonly pod?: Pod | null | undefined;
  /** Kind of container, such as `docker`; null: none. */
  readonly container: string | null | undefined;
  /** Reason for which not all of this is known. */
  readonly unknownReason: string | undefined;
  /** Name for people, such as `/usr/bin/backup (process 4711)`. */
  readonly displayName: string;
}

/** Identifies programs behind connections. */
export interface Identities {
  /** Decides rules: everything is read of the running process, once for each connection. */
  of(connection: object, peer: Peer | undefined): Identity;
  /**
   * Takes less time than `of`, and decides no rule. Returns the same object for equal connections of one
   * process.
   */
  programOf(connection: object, peer: Peer | undefined): ClientProgram;
  /** Reads the actor's executable. `sha256` is hexadecimal. Resolves with undefined if it can't be read. */
  content(
    identity: Identity,
  ): Promise<{ readonly sha256: string; readonly isInterpreter: boolean } | undefined>;
}
