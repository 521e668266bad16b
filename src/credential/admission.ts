/** Which token requests callers may cause now, and which tries they may bring forward. */
import { grantNamed } from "../grants/index.ts";
import type { Moment } from "../timekeeper.ts";
import { hostOf } from "./flights.ts";
import type { Refusals } from "./refusals.ts";
import type { Source } from "./renewals.ts";
import { broughtForward } from "./schedule.ts";
import { revoked } from "./superseded.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Variant } from "./variant.ts";

export class Admission {
  readonly #around: Surroundings;
  readonly #source: Source;
  readonly #refusals: Refusals;

  constructor(around: Surroundings, source: Source, refusals: Refusals) {
    this.#around = around;
    this.#source = source;
    this.#refusals = refusals;
  }

  /** Throws AuthdError if a caller may not have this first token, or this one anew, now. */
  admit(variant: Variant, now: Moment, forced: boolean): void {
    const { keeper, variants } = this.#source;
    const { name } = this.#source.now().settings;
    const isNew = variant !== variants.own && !variant.issued && variant.failures === 0;
    if (isNew && !variant.superseded) this.#refusals.admitVariation(keeper.record, name, now);
    if (variant.superseded && now.boot < variant.rejectionsHold) throw revoked(name, variant, now);
    if (isNew || variant.superseded || forced) this.#around.pace.admit(name);
  }

  /** A waiting caller brings the next try forward, if the issuer's pace allows it. */
  bringForward(variant: Variant, now: Moment): void {
    const { settings } = this.#source.now();
    const { lanes, pace, rearm } = this.#around;
    const at = broughtForward(variant, now);
    if (at >= variant.retryAt) return;
    const host = hostOf(grantNamed(settings.grant).issuerUrl(settings.own, settings.fields));
    if (host !== undefined && lanes.isFailing(host) && !pace.retry(host)) return;
    variant.retryAt = at;
    rearm(settings.name, at);
  }
}
