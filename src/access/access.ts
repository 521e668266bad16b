import type { Cancellation } from "../base/cancellation.ts";
import { isInterpreter } from "../base/interpreter.ts";
import type { RateLimiter } from "../base/rate-limiter.ts";
import type { Confirm, Policy } from "../config/policy.ts";
import { AuthdError } from "../errors.ts";
import type { RequestDetails } from "../protocol.ts";
import type { ConnectionHandle } from "../rpc/call.ts";
import { isOwnPeer, isOwnUser, type Peer } from "../rpc/peer.ts";
import type { Identities, Identity } from "./identity/identity.ts";
import { type Caller, decide, mayUse, needs, type Use } from "./policy.ts";
import { assertOffered, isOffered } from "./restricted-socket.ts";

/** Describes to a person what a caller wants. */
export interface Wish {
  /** In words, without any secret: `its token`, `GET https://api.example.com/v2`. */
  readonly what: string;
  /** Equal for equal wishes only; absent: `what` says all of it. */
  readonly exact?: string;
  /** Further parts of a request. */
  readonly request?: RequestDetails;
}

/** A question to a person. */
export interface Question extends Wish {
  readonly credential: string;
  /** Kind of use; `change` changes the credential itself. */
  readonly kind: Use["kind"] | "change";
  /** Rule that requires a person's confirmation. */
  readonly rule: string;
  readonly confirm: Confirm;
  readonly identity: Identity;
  /** The program runs what its arguments say: a yes holds for one process of it at most. */
  readonly isInterpreter: boolean;
}

/** Asks a person. */
export interface Approvals {
  /**
   * Resolves when a person says yes, or said so before: `once` for this question, `lasting` for all that
   * the rule covers. Rejects with AuthdError `caller_not_allowed`.
   */
  ask(question: Question, signal: Cancellation): Promise<"once" | "lasting">;
}

/** The calling program, as far as a call knows it. */
export interface CallContext {
  readonly peer: Peer | undefined;
  readonly connection: ConnectionHandle;
  readonly signal: Cancellation;
  /** Set to the rule that decided. */
  rule?: string | undefined;
}

/** The part of a credential that limits its use. */
export interface PolicyTarget {
  readonly name: string;
  readonly settings: { readonly policy?: Policy };
}

/** A permission, and the rule that gave it. */
export interface Decision {
  readonly rule: string;
  /** Returns whether a redirect of the request may be followed to this method and path. */
  reaches(method: string, path: string): boolean;
}

export interface AccessOptions {
  identities: Identities;
  approvals: Approvals;
  rates: RateLimiter;
  /** Milliseconds since the epoch. */
  now: () => number;
}

const OPEN_POLICY: Policy = { expose: "token", allow: [], deny: [] };
const ANY_USE: Use = { kind: "token", scope: "", audience: "" };
/** Limit of a credential's name; no more of a requested name is repeated in an error. */
const MAX_NAME_LENGTH = 64;
const UNRESTRICTED: Decision = { rule: "default", reaches: () => true };

/** Decides whether a caller may use or change a credential: by its policy, by rate limits, by a person's answer. */
export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * Decides about one use. Synchronous if nothing limits the credential. Throws or rejects with
   * AuthdError `caller_not_allowed`, `token_not_exposed`, `origin_not_allowed` or `too_busy`.
   */
  authorizeUse(
    credential: PolicyTarget,
    use: () => Use,
    wish: () => Wish,
    context: CallContext,
  ): Decision | Promise<Decision> {
    if (!credential.settings.policy && isOwnPeer(context.peer)) return UNRESTRICTED;
    return this.#judge(credential, use(), wish, context);
  }

  /** True if the caller is of the daemon's user, or root. */
  isDaemonUser({ peer }: CallContext): boolean {
    return isOwnPeer(peer);
  }

  /** Throws AuthdError `caller_not_allowed` for other users. */
  assertDaemonUser(method: string, context: CallContext): void {
    if (!this.isDaemonUser(context)) throw daemonUserOnly(method, context);
  }

  /**
   * Throws for other users the same AuthdError `caller_not_allowed` for an unknown name as for a
   * credential without rules, so that they can't probe which credentials exist.
   */
  assertMayLearnName(name: string, context: CallContext): void {
    const { restriction } = context.peer ?? {};
    if (restriction) assertOffered(name, restriction);
    else if (!isOwnPeer(context.peer)) this.#assertOpenTo(name, context);
  }

  #assertOpenTo(name: string, { connection, peer }: CallContext): void {
    const caller = callerOf(this.#options.identities.of(connection, peer));
    const credential = name.slice(0, MAX_NAME_LENGTH);
    const verdict = decide(credential, OPEN_POLICY, caller, ANY_USE, this.#options.now());
    if (!verdict.allowed) {
      throw new AuthdError(verdict.reason, `${verdict.message}.`, { credential });
    }
  }

  /** Throws AuthdError `caller_not_allowed` if the caller may not use the credential in any way. */
  assertMayUse(credential: PolicyTarget, context: CallContext): void {
    const { restriction } = context.peer ?? {};
    if (restriction) assertOffered(credential.name, restriction);
    if (!this.mayUse(credential, context)) this.#assertOpenTo(credential.name, context);
  }

  /** True if the caller may use any of `credentials` in any way. */
  mayUseAny(
    credentials: Iterable<PolicyTarget>,
    context: Pick<CallContext, "peer" | "connection">,
  ): boolean {
    if (isOwnPeer(context.peer)) return true;
    for (const credential of credentials) {
      if (this.mayUse(credential, context)) return true;
    }
    return false;
  }

  /** True if the caller may use the credential in some way. Asks nobody. */
  mayUse(
    { name, settings }: PolicyTarget,
    { connection, peer }: Pick<CallContext, "peer" | "connection">,
  ): boolean {
    const { policy = OPEN_POLICY } = settings;
    if (isOwnPeer(peer)) return true;
    if (peer?.restriction && !isOffered(name, peer.restriction)) return false;
    const caller = callerOf(this.#options.identities.of(connection, peer));
    return mayUse(policy, caller, this.#options.now());
  }

  /**
   * Asks a person about a change that concerns a restricted credential, so that programs of the daemon's
   * user can't lift its restrictions. Root of another user's daemon is not asked. Rejects with AuthdError
   * `caller_not_allowed`.
   */
  async authorizeChange(
    method: string,
    restricted: string,
    context: CallContext,
    what = method,
  ): Promise<void> {
    const { peer, connection, signal } = context;
    this.assertDaemonUser(method, context);
    if (peer?.uid === 0 && process.geteuid?.() !== 0) return;
    await this.#options.approvals.ask(
      {
        credential: restricted,
        kind: "change",
        what,
        rule: "guarded",
        confirm: "always",
        identity: this.#options.identities.of(connection, peer),
        // A yes is for one change, whatever the program.
        isInterpreter: true,
      },
      signal,
    );
  }

  /**
   * Decides about a token that is handed out from now on, without its caller: the rules must let the caller
   * have it, and where there are any, a person is asked. Returns true if a person agreed. Rejects as
   * `authorizeUse`.
   */
  async authorizeLastingUse(
    method: string,
    credential: PolicyTarget & { readonly isRestricted: boolean },
    use: Use,
    context: CallContext,
    what: string,
  ): Promise<boolean> {
    this.assertDaemonUser(method, context);
    if (credential.settings.policy) await this.#verdictOf(credential, use, context);
    if (!credential.isRestricted) return false;
    await this.authorizeChange(method, credential.name, context, what);
    return true;
  }

  /** Rejects with an AuthdError unless the rules let the caller do this. */
  async #verdictOf(
    { name, settings: { policy = OPEN_POLICY } }: PolicyTarget,
    use: Use,
    context: CallContext,
  ) {
    const { connection, peer } = context;
    const { identities, now } = this.#options;
    if (peer?.restriction) {
      context.rule = `socket ${peer.restriction.name}`;
      assertOffered(name, peer.restriction, use);
    }
    const identity = identities.of(connection, peer);
    const content = needsContent(policy) ? await identities.content(identity) : undefined;
    const caller = callerOf(identity, content);
    const verdict = decide(name, policy, caller, use, now());
    context.rule = verdict.rule;
    if (!verdict.allowed) {
      throw new AuthdError(verdict.reason, `${verdict.message}.`, { credential: name });
    }
    return { verdict, identity, caller };
  }

  async #judge(
    target: PolicyTarget,
    use: Use,
    wish: () => Wish,
    context: CallContext,
  ): Promise<Decision> {
    const { approvals, rates, now } = this.#options;
    const { verdict, identity, caller } = await this.#verdictOf(target, use, context);
    const {
      name,
      settings: { policy = OPEN_POLICY },
    } = target;
    const { rule, rate, confirm } = verdict;
    const wait = rate ? rates.take(`${name}\n${rule}`, rate) : 0;
    if (wait > 0) throw rateLimited(name, rule, wait);
    const answer = confirm
      ? await approvals.ask(
          {
            ...{ credential: name, kind: use.kind, ...wish(), rule, confirm, identity },
            isInterpreter: caller.isInterpreter,
          },
          context.signal,
        )
      : "lasting";
    return {
      rule,
      reaches: (method, path) => {
        const { restriction } = context.peer ?? {};
        if (restriction && !isOffered(name, restriction, { ...use, kind: "request", method, path }))
          return false;
        // The person saw this request, not the target of a redirect.
        if (answer === "once") return false;
        const there = decide(
          name,
          policy,
          caller,
          { ...use, kind: "request", method, path },
          now(),
        );
        // Another rule's confirmation was not asked for, and its rate limit not counted.
        return there.allowed && (there.rule === rule || !(there.confirm ?? there.rate));
      },
    };
  }
}

/** True if the program's content matters: an interpreter under another name must not match rules or answers. */
function needsContent(policy: Policy): boolean {
  const named = needs(policy);
  const confirm = policy.confirm ?? policy.allow.find(({ confirm }) => confirm !== undefined);
  return named.has("sha256") || named.has("executable") || confirm !== undefined;
}

function callerOf(
  { peer, actor, gids, unit, cgroup, pod, displayName }: Identity,
  content?: { readonly sha256: string; readonly isInterpreter: boolean },
): Caller {
  const { executable } = actor ?? {};
  return {
    isOwn: isOwnUser(peer),
    uid: peer?.uid,
    gids,
    executable,
    isInterpreter:
      // It may pass on what somebody else says, as sshd does.
      peer?.restriction !== undefined ||
      content?.isInterpreter ||
      (executable !== undefined && isInterpreter(executable)),
    sha256: content?.sha256,
    unit,
    cgroup,
    // A pod whose name is not known may be any.
    pod: pod ? pod.name : pod,
    displayName,
  };
}

function rateLimited(name: string, rule: string, retryAfterMs: number): AuthdError {
  return new AuthdError("too_busy", `${name}: used more often than the rule ${rule} allows.`, {
    credential: name,
    retryAfterMs,
  });
}

function daemonUserOnly(what: string, { peer }: CallContext): AuthdError {
  if (peer?.restriction) {
    const text = `The socket ${peer.restriction.name} is for requests and tokens, not for ${what}: do that where authd runs.`;
    return new AuthdError("caller_not_allowed", text);
  }
  return new AuthdError(
    "caller_not_allowed",
    `User ${peer?.uid} may use credentials here, but not ${what}: that is for the daemon's own user and root.`,
  );
}
