import type { Rate } from "../base/rate-limiter.ts";

/** `token`: callers get the token itself; `request`: only requests that carry it. */
type Exposure = "token" | "request";
/**
 * Says when a person is asked: once a program (`first`; an answer may be written down as a rule), once a
 * program until the daemon locks or ends (`session`), or each time (`always`).
 */
export type Confirm = "first" | "session" | "always";

/** The callers that a rule applies to: every member must match; without members, everybody. */
export interface Who {
  /** Absolute path, links resolved. */
  readonly executable?: string;
  /** Digest of the executable's content, in lower-case hexadecimal. */
  readonly sha256?: string;
  /** systemd unit, such as `backup.service`. */
  readonly unit?: string;
  /** Control group of Linux, as an absolute path, or with a `*` at the end for all that begins so. */
  readonly cgroup?: string;
  /** Kubernetes pod, `namespace/name`, likewise. */
  readonly pod?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** An `[[allow]]` or `[[deny]]` table of a credential file. */
export interface Rule {
  /** The name in answers and in the audit log: its `name`, or `allow[1]`, counted from 1. */
  readonly name: string;
  readonly who: Who;
  readonly expose?: Exposure;
  /**
   * Sets of scopes, each as `normalizeScope` spells it. An allow rule covers a caller that asks for
   * exactly one of them, a deny rule each that asks for all of one, whatever else it asks for.
   */
  readonly scopes?: readonly string[];
  readonly audiences?: readonly string[];
  /** In upper case. */
  readonly methods?: readonly string[];
  /** Exact, or with a `*` at the end for all that begins so. */
  readonly paths?: readonly string[];
  /** `never`: nobody is asked about callers of this rule, whatever the credential says. */
  readonly confirm?: Confirm | "never";
  readonly rate?: Rate;
  /** Milliseconds since the epoch, after which the rule is ignored. */
  readonly until?: number;
}

/** The prefix of the binding of a credential with a policy (see binding.ts). */
export const RESTRICTED_PREFIX = "guarded:";

/** The rules on who may use a credential, and how. */
export interface Policy {
  readonly expose: Exposure;
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
  /** Used where the caller's rule has none. */
  readonly confirm?: Confirm;
  /** One text for each rule that matches no program as it stands. */
  readonly warnings?: readonly string[];
  /** Empty: every program of the daemon's own user is allowed. */
  readonly allow: readonly Rule[];
  readonly deny: readonly Rule[];
}

/** True if every program of the daemon's own user may have everything, so no rule needs to be applied. */
export function isOpen({ expose, methods, paths, confirm, allow, deny }: Policy): boolean {
  const limited = methods ?? paths ?? confirm;
  return expose === "token" && limited === undefined && allow.length === 0 && deny.length === 0;
}

/** True if a rule depends on the scope that a caller asks for. */
export function namesScopes(policy: Policy | undefined): boolean {
  return [...(policy?.allow ?? []), ...(policy?.deny ?? [])].some(
    ({ scopes }) => scopes !== undefined,
  );
}
