import { isInterpreter } from "../base/interpreter.ts";
import type { RateLimiter } from "../base/rate-limiter.ts";
import type { Confirm, Policy } from "../config/policy.ts";
import { AuthdError } from "../errors.ts";
import type { RequestDetails } from "../protocol.ts";
import type { ConnectionHandle } from "../rpc/call.ts";
import { isOwnPeer, type Peer } from "../rpc/peer.ts";
import type { Identities, Identity } from "./identity/identity.ts";
import { type Caller, decide, mayUse, needs, type Use } from "./policy.ts";

/** What a caller wants, as a person is to see it. */
export interface Wish {
  /** In words, without any secret: `its token`, `GET https://api.example.com/v2`. */
  readonly what: string;
  /** Equal for equal wishes only; absent: `what` says all of it. */
  readonly exact?: string;
  /** What else a request carries. */
  readonly request?: RequestDetails;
}

/** What a person is asked. */
export interface Question extends Wish {
  readonly credential: string;
  /** What the asker wants to do: `change` is about the credential itself. */
  readonly kind: Use["kind"] | "change";
  /** The rule that wants it asked. */
  readonly rule: string;
  readonly confirm: Confirm;
  readonly identity: Identity;
  /** The program does whatever it is told to: a yes is for one process of it at most. */
  readonly isInterpreter: boolean;
}

/** Where a person's answers come from. */
export interface Approvals {
  /**
   * Resolves when somebody said yes, now or before: `once` to this alone, `lasting` to all that the
   * rule covers. Rejects with AuthdError `caller_not_allowed`.
   */
  ask(question: Question, signal: AbortSignal): Promise<"once" | "lasting">;
}

/** Who is asking: what a call knows of it. */
export interface CallContext {
  readonly peer: Peer | undefined;
  readonly connection: ConnectionHandle;
  readonly signal: AbortSignal;
  /** Noted here: by which rule it passed, or did not. */
  rule?: string | undefined;
}

/** The part of a credential that says who may use it. */
export interface PolicyTarget {
  readonly name: string;
  readonly settings: { readonly policy?: Policy };
}

/** By which rule somebody may go on, and where to. */
export interface Decision {
  readonly rule: string;
  /** Whether a redirect of this request may be followed there. */
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
/** A longer name is nobody's; of one that somebody asks for no more is repeated. */
const LONGEST_NAME = 64;
const UNRESTRICTED: Decision = { rule: "default", reaches: () => true };

/** Lets callers pass, or not: by a credential's policy, by how often they come, by a person's word. */
export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * Not a promise where nothing limits the credential. Throws or rejects with AuthdError
   * `caller_not_allowed`, `token_not_exposed`, `origin_not_allowed` or `too_busy`.
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

  /** Whether it is the daemon's own user who asks, or root. */
  isDaemonUser({ peer }: CallContext): boolean {
    return isOwnPeer(peer);
  }

  /** Throws AuthdError `caller_not_allowed` for every other user. */
  assertDaemonUser(method: string, context: CallContext): void {
    if (!this.isDaemonUser(context)) throw daemonUserOnly(method, context);
  }

  /**
   * Nobody else is to learn which names there are: throws AuthdError `caller_not_allowed`, as for a
   * credential without rules.
   */
  assertMayLearnName(name: string, context: CallContext): void {
    if (!isOwnPeer(context.peer)) this.#assertOpenTo(name, context);
  }

  #assertOpenTo(name: string, { connection, peer }: CallContext): void {
    const caller = callerOf(this.#options.identities.of(connection, peer));
    const credential = name.slice(0, LONGEST_NAME);
    const verdict = decide(credential, OPEN_POLICY, caller, ANY_USE, this.#options.now());
    if (!verdict.allowed) {
      throw new AuthdError(verdict.reason, `${verdict.message}.`, { credential });
    }
  }

  /** Throws AuthdError `caller_not_allowed` for whoever may not use the credential at all. */
  assertMayUse(credential: PolicyTarget, context: CallContext): void {
    if (!this.mayUse(credential, context)) this.#assertOpenTo(credential.name, context);
  }

  /** True if there is any of `credentials` that the asker may use in any way. */
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

  /** Whether somebody may use it in any way, without asking anybody. */
  mayUse(
    { settings }: PolicyTarget,
    { connection, peer }: Pick<CallContext, "peer" | "connection">,
  ): boolean {
    const { policy = OPEN_POLICY } = settings;
    if (isOwnPeer(peer)) return true;
    const caller = callerOf(this.#options.identities.of(connection, peer));
    return mayUse(policy, caller, this.#options.now());
  }

  /**
   * Asks a person whether somebody may change what concerns a guarded credential: programs of the
   * daemon's own user are not to open it. Root changes another user's without a question. Rejects with
   * AuthdError `caller_not_allowed`.
   */
  async authorizeChange(
    method: string,
    guarded: string,
    context: CallContext,
    what = method,
  ): Promise<void> {
    const { peer, connection, signal } = context;
    this.assertDaemonUser(method, context);
    if (peer?.uid === 0 && process.geteuid?.() !== 0) return;
    await this.#options.approvals.ask(
      {
        credential: guarded,
        kind: "change",
        what,
        rule: "guarded",
        confirm: "always",
        identity: this.#options.identities.of(connection, peer),
        // It makes no difference: a yes is for one change.
        isInterpreter: true,
      },
      signal,
    );
  }

  async #judge(
    { name, settings: { policy = OPEN_POLICY } }: PolicyTarget,
    use: Use,
    wish: () => Wish,
    context: CallContext,
  ): Promise<Decision> {
    const { connection, peer, signal } = context;
    const { identities, approvals, rates, now } = this.#options;
    const identity = identities.of(connection, peer);
    const content = needsContent(policy) ? await identities.content(identity) : undefined;
    const caller = callerOf(identity, content);
    const verdict = decide(name, policy, caller, use, now());
    context.rule = verdict.rule;
    if (!verdict.allowed) {
      throw new AuthdError(verdict.reason, `${verdict.message}.`, { credential: name });
    }
    const { rule, rate, confirm } = verdict;
    const wait = rate ? rates.take(`${name}\n${rule}`, rate) : 0;
    if (wait > 0) throw rateLimited(name, rule, wait);
    const yes = confirm
      ? await approvals.ask(
          {
            ...{ credential: name, kind: use.kind, ...wish(), rule, confirm, identity },
            isInterpreter: caller.isInterpreter,
          },
          signal,
        )
      : "lasting";
    return {
      rule,
      reaches: (method, path) => {
        // A person saw this request, and not where the API sends it on.
        if (yes === "once") return false;
        const there = decide(
          name,
          policy,
          caller,
          { ...use, kind: "request", method, path },
          now(),
        );
        // What another rule wants confirmed or counted was neither.
        return there.allowed && (there.rule === rule || !(there.confirm ?? there.rate));
      },
    };
  }
}

/** What rules and answers say of a program is nothing for an interpreter under another name. */
function needsContent(policy: Policy): boolean {
  const named = needs(policy);
  const asks = policy.confirm ?? policy.allow.find(({ confirm }) => confirm !== undefined);
  return named.has("sha256") || named.has("executable") || asks !== undefined;
}

function callerOf(
  { peer, actor, gids, unit, displayName: shown }: Identity,
  content?: { readonly sha256: string; readonly isInterpreter: boolean },
): Caller {
  const { executable } = actor ?? {};
  return {
    isOwn: isOwnPeer(peer),
    uid: peer?.uid,
    gids,
    executable,
    isInterpreter:
      content?.isInterpreter || (executable !== undefined && isInterpreter(executable)),
    sha256: content?.sha256,
    unit,
    shown,
  };
}

function rateLimited(name: string, rule: string, retryAfterMs: number): AuthdError {
  return new AuthdError("too_busy", `${name}: used more often than the rule ${rule} allows.`, {
    credential: name,
    retryAfterMs,
  });
}

function daemonUserOnly(what: string, { peer }: CallContext): AuthdError {
  return new AuthdError(
    "caller_not_allowed",
    `User ${peer?.uid} may use credentials here, but not ${what}: that is for the daemon's own user and root.`,
  );
}
