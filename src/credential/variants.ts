import { AuthdError } from "../errors.ts";
import type { Variation } from "./record.ts";
import { createVariant, type Variant, variantKey } from "./variant.ts";

/** Variants (scope, audience) that are kept of a credential, its own included. */
const MOST_VARIANTS = 32;

/** Characters of a scope and an audience together: they are kept in memory and sealed with the token. */
const LONGEST_KEY = 8_192;

/** What a credential holds tokens for: its own scope and audience, and those that callers asked for. */
export class Variants {
  #own: Variant = createVariant({});
  readonly #others = new Map<string, Variant>();
  /** Kept: of 10,000 credentials every one is looked at again and again. */
  #all: readonly Variant[] = [this.#own];

  get own(): Variant {
    return this.#own;
  }

  all(): readonly Variant[] {
    return this.#all;
  }

  /** Those beside its own. */
  others(): Variant[] {
    return this.#others.size === 0 ? [] : [...this.#others.values()];
  }

  /** The one for exactly this, made if need be. */
  of(want: Variation): Variant {
    const key = variantKey(want);
    if (key === "") return this.own;
    const known = this.#others.get(key);
    if (known) return known;
    const variant = createVariant(want);
    this.#others.set(key, variant);
    this.#list();
    return variant;
  }

  /**
   * The one for what a caller asks for. The one not asked for longest makes room. Throws AuthdError,
   * which names `credential`: `too_busy` if none can, `invalid_params` if it is too long to be kept.
   */
  asked(want: Variation, credential: string): Variant {
    const key = variantKey(want);
    if (key.length > LONGEST_KEY) throw tooLong(credential);
    if (key !== "" && !this.#others.has(key)) this.#makeRoom(credential);
    return this.of(want);
  }

  /** Not so when settings or secrets were replaced while a flight for it was under way. */
  has(variant: Variant): boolean {
    return variant === this.own || this.#others.get(variant.key) === variant;
  }

  /**
   * Drops every token and failure; who asked when is kept. With `queued` flights are kept that are
   * still in the queue: what they send is made from the secrets of then, so they serve for these.
   */
  forget(queued = false): void {
    const kept = queued ? this.#all.filter(({ flight }) => flight && !flight.sent) : [];
    // The timer looks at those alone that are kept.
    for (const one of this.#all) if (!kept.includes(one)) one.flight?.pause?.end();
    this.#own = { ...createVariant({}), askedAt: this.own.askedAt };
    this.#others.clear();
    for (const variant of kept) {
      const { want, flight, askedAt } = variant;
      Object.assign(variant, createVariant(want), { flight, askedAt });
      if (variant.key === "") this.#own = variant;
      else this.#others.set(variant.key, variant);
    }
    this.#list();
  }

  /** The one that stands for the credential: its own, unless only another is in use. */
  face(): Variant {
    const { own } = this;
    if (own.issued || own.failures > 0 || this.#others.size === 0) return own;
    return [...this.#others.values()].sort((a, b) => b.askedAt - a.askedAt)[0] ?? own;
  }

  #list(): void {
    this.#all = [this.#own, ...this.#others.values()];
  }

  #makeRoom(credential: string): void {
    if (this.#others.size + 1 < MOST_VARIANTS) return;
    const idle = [...this.#others.values()].filter(({ flight }) => !flight);
    const oldest = idle.sort((a, b) => a.askedAt - b.askedAt)[0];
    if (oldest) {
      this.#others.delete(oldest.key);
      this.#list();
      return;
    }
    throw new AuthdError(
      "too_busy",
      `${credential}: ${MOST_VARIANTS} scopes or audiences are being obtained at once`,
      { credential, retryAfterMs: 1_000 },
    );
  }
}

function tooLong(credential: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${credential}: a scope and an audience may have ${LONGEST_KEY} characters together`,
    { credential },
  );
}
