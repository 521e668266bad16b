/** Which token requests callers may cause now, and which tries they may bring forward. */

import type { Moment } from "../base/timekeeper.ts";
import { grantNamed } from "../grants/index.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { Refusals } from "./refusals.ts";
import { broughtForward } from "./schedule.ts";
import { revoked } from "./superseded.ts";
import type { RefreshTarget } from "./token-refresher.ts";
import { hostOf } from "./token-requests.ts";
import type { TokenSlot } from "./token-slot.ts";

export class Admission {
  readonly #deps: CredentialDeps;
  readonly #source: RefreshTarget;
  readonly #refusals: Refusals;

  constructor(deps: CredentialDeps, source: RefreshTarget, refusals: Refusals) {
    this.#deps = deps;
    this.#source = source;
    this.#refusals = refusals;
  }

  /** Throws AuthdError if a caller may not have this first token, or this one anew, now. */
  admit(slot: TokenSlot, now: Moment, forced: boolean): void {
    const { stored, tokens } = this.#source;
    const { name } = this.#source.now().settings;
    const isNew = slot !== tokens.own && !slot.issued && slot.failures === 0;
    if (isNew && !slot.superseded) this.#refusals.admitVariation(stored.record, name, now);
    if (slot.superseded && now.boot < slot.rejectionCooldownUntil) throw revoked(name, slot, now);
    if (isNew || slot.superseded || forced) this.#deps.pace.admit(name);
  }

  /** A waiting caller brings the next try forward, if the issuer's pace allows it. */
  bringForward(slot: TokenSlot, now: Moment): void {
    const { settings } = this.#source.now();
    const { hostLimiter, pace, rearm } = this.#deps;
    const at = broughtForward(slot, now);
    if (at >= slot.retryAt) return;
    const host = hostOf(grantNamed(settings.grant).issuerUrl(settings.own, settings.fields));
    if (host !== undefined && hostLimiter.isFailing(host) && !pace.retry(host)) return;
    slot.retryAt = at;
    rearm(settings.name, at);
  }
}
