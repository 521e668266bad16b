import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { State } from "../protocol.ts";
import type { RefreshContext } from "./refresh-context.ts";
import { expiryOf, freshness } from "./token.ts";

/** Computes one credential's state, and reports each change of it as an event. */
export class StateReporter {
  readonly #context: RefreshContext;
  #reported: State | undefined;
  /** The last reported state other than `refreshing`. */
  #settled: State | undefined;

  constructor(context: RefreshContext) {
    this.#context = context;
  }

  current(): State {
    const { deps, owner, status } = this.#context;
    const { blocker } = owner.current();
    if (blocker) return blocker.state;
    const { rejectedWith } = status;
    const now = deps.time.now();
    let state: State = "idle";
    for (const { pendingRefresh, failures, issued } of owner.tokens.all()) {
      if (pendingRefresh) return "refreshing";
      if (failures > 0) state = "failing";
      else if (state === "idle" && issued && freshness(issued.token, now) !== "expired") {
        state = "ready";
      }
    }
    if (!rejectedWith) return state;
    return rejectedWith.reason === "login_required" ? "login_required" : "rejected";
  }

  /** The state that was reported last, or else the current one. */
  get last(): State {
    return this.#reported ?? this.current();
  }

  /** Emits an event if the state has changed. */
  report(): void {
    const state = this.current();
    if (state === this.#reported) return;
    this.#reported = state;
    const { deps, owner, status } = this.#context;
    const { settings, blocker } = owner.current();
    const reason = blocker?.error.reason ?? status.rejectedWith?.reason;
    const before = this.#settled;
    if (state !== "refreshing") this.#settled = state;
    const more = omitUndefined({ before, reason });
    deps.onEvent({ kind: "state", credential: settings.name, state, ...more });
  }

  /** Returns the boot time at which a `ready` credential may become `idle`, as a token ends; Infinity if it does not. */
  nextChange(now: Moment): number {
    let next = Number.POSITIVE_INFINITY;
    if (this.#reported !== "ready") return next;
    for (const { issued } of this.#context.owner.tokens.all()) {
      const expiry = issued ? expiryOf(issued.token) : next;
      if (expiry > now.boot && expiry < next) next = expiry;
    }
    return next;
  }
}
