/** Subject of a line of the audit log; `refusal` is any error that a client got. */
export type AuditEvent = "use" | "refusal" | "change" | "approval" | "lock" | "daemon";

/** A client as its identity tells of it, before it is shortened for the log. Absent: it can't be known. */
export interface ClientProgram {
  readonly uid?: number | undefined;
  readonly pid?: number | undefined;
  /** Executable of the actor, or the name that the actor gives itself. */
  readonly program?: string | undefined;
  /** Process of the actor, where that is not the one that connected. */
  readonly programPid?: number | undefined;
  readonly script?: string | undefined;
  readonly unit?: string | undefined;
  /** Kubernetes pod: `namespace/name`, or its UID. */
  readonly pod?: string | undefined;
  /** Id of its container. */
  readonly container?: string | undefined;
}

/** The client. Absent members can't be known. */
export interface AuditPeer {
  readonly uid?: number;
  readonly pid?: number;
  /** The executable that counts: behind authd's own client it is who started that. */
  readonly program?: string;
  /** Its process, where that is not the one that connected. */
  readonly programPid?: number;
  /** Script that an interpreter says it runs: any program can say so. */
  readonly script?: string;
  readonly unit?: string;
  /** Kubernetes pod: `namespace/name`, or its UID where the name can't be known. */
  readonly pod?: string;
  /** Id of the pod's container. */
  readonly container?: string;
  /** Name of the restricted socket that it came by. */
  readonly socket?: string;
}

/** One event. It holds no token and no secret; of an address the origin only. */
export interface AuditEntry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly event: AuditEvent;
  readonly method?: string | undefined;
  readonly credential?: string | undefined;
  readonly origin?: string | undefined;
  /** The HTTP method that was asked for, and what the API answered. */
  readonly request?: string | undefined;
  readonly status?: number | undefined;
  readonly refreshed?: true | undefined;
  /** `ok`, the reason of the error, or what happened. */
  readonly outcome: string;
  readonly rule?: string | undefined;
  /** Number of a question to a person. */
  readonly question?: number | undefined;
  readonly answer?: string | undefined;
  readonly peer?: AuditPeer;
  /** The first 12 hexadecimal digits of the access token's SHA-256. */
  readonly token?: string | undefined;
  /** More of the very same, until then, in one line: somebody asks hundreds of times a second. */
  count?: number;
  until?: number;
  /** `audit = "required"`, and the line could not be written: nobody got the answer. */
  withheld?: true;
  /** Number of lines that there was no room for while nothing could be written. */
  readonly lost?: number;
  /** SHA-256 of what a crash left of the line before this one. */
  readonly torn?: string;
  readonly version?: string;
  readonly pid?: number;
  /** Name of the daemon's host in the store that it shares with others; absent without a store. */
  readonly host?: string;
}

/** A line as it is in the file. */
export interface AuditLine extends AuditEntry {
  readonly v: 1;
  /** Grows by one with each line. */
  readonly n: number;
  /** SHA-256 of the line before, without its newline; zeros before the first. */
  readonly prev: string;
}

/** End of the log, and its beginning. */
export interface AuditHead {
  /** Number of the last line; 0: there is none. */
  readonly n: number;
  /** SHA-256 of that line. */
  readonly hash: string;
  /** The number of the oldest line that is kept; 0: there is none. */
  readonly first: number;
}

export const GENESIS = "0".repeat(64);
