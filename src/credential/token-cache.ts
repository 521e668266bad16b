import { AuthdError } from "../errors.ts";
import type { TokenTarget } from "./record.ts";
import { createTokenSlot, type TokenSlot, targetKey } from "./token-slot.ts";

/** Variants (scope, audience) that are kept of a credential, its own included. */
const MAX_TOKENS = 32;

/** Characters of a scope and an audience together: they are kept in memory and sealed with the token. */
const MAX_KEY_LENGTH = 8_192;

/** What a credential holds tokens for: its own scope and audience, and those that callers asked for. */
export class TokenCache {
  #own: TokenSlot = createTokenSlot({});
  readonly #others = new Map<string, TokenSlot>();
  /** Kept: of 10,000 credentials every one is looked at again and again. */
  #all: readonly TokenSlot[] = [this.#own];

  get own(): TokenSlot {
    return this.#own;
  }

  all(): readonly TokenSlot[] {
    return this.#all;
  }

  /** Those beside its own. */
  others(): TokenSlot[] {
    return this.#others.size === 0 ? [] : [...this.#others.values()];
  }

  /** The one for exactly this, made if need be. */
  getOrCreate(target: TokenTarget): TokenSlot {
    const key = targetKey(target);
    if (key === "") return this.own;
    const known = this.#others.get(key);
    if (known) return known;
    const slot = createTokenSlot(target);
    this.#others.set(key, slot);
    this.#list();
    return slot;
  }

  /**
   * The one for what a caller asks for. The one not asked for longest makes room. Throws AuthdError,
   * which names `credential`: `too_busy` if none can, `invalid_params` if it is too long to be kept.
   */
  getOrEvict(target: TokenTarget, credential: string): TokenSlot {
    const key = targetKey(target);
    if (key.length > MAX_KEY_LENGTH) throw tooLong(credential);
    if (key !== "" && !this.#others.has(key)) this.#makeRoom(credential);
    return this.getOrCreate(target);
  }

  /** Not so when settings or secrets were replaced while a flight for it was under way. */
  has(slot: TokenSlot): boolean {
    return slot === this.own || this.#others.get(slot.key) === slot;
  }

  /**
   * Drops every token and failure; who asked when is kept. With `queued` flights are kept that are
   * still in the queue: what they send is made from the secrets of then, so they serve for these.
   */
  forget(queued = false): void {
    const kept = queued
      ? this.#all.filter(({ pendingRefresh: flight }) => flight && !flight.sent)
      : [];
    // The timer looks at those alone that are kept.
    for (const one of this.#all) if (!kept.includes(one)) one.pendingRefresh?.pause?.end();
    this.#own = { ...createTokenSlot({}), lastUsedAt: this.own.lastUsedAt };
    this.#others.clear();
    for (const slot of kept) {
      const { target, pendingRefresh, lastUsedAt } = slot;
      Object.assign(slot, createTokenSlot(target), { pendingRefresh, lastUsedAt });
      if (slot.key === "") this.#own = slot;
      else this.#others.set(slot.key, slot);
    }
    this.#list();
  }

  /** The one that stands for the credential: its own, unless only another is in use. */
  primary(): TokenSlot {
    const { own } = this;
    if (own.issued || own.failures > 0 || this.#others.size === 0) return own;
    return [...this.#others.values()].sort((a, b) => b.lastUsedAt - a.lastUsedAt)[0] ?? own;
  }

  #list(): void {
    this.#all = [this.#own, ...this.#others.values()];
  }

  #makeRoom(credential: string): void {
    if (this.#others.size + 1 < MAX_TOKENS) return;
    const idle = [...this.#others.values()].filter(({ pendingRefresh: flight }) => !flight);
    const oldest = idle.sort((a, b) => a.lastUsedAt - b.lastUsedAt)[0];
    if (oldest) {
      this.#others.delete(oldest.key);
      this.#list();
      return;
    }
    throw new AuthdError(
      "too_busy",
      `${credential}: ${MAX_TOKENS} scopes or audiences are being obtained at once`,
      { credential, retryAfterMs: 1_000 },
    );
  }
}

function tooLong(credential: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${credential}: a scope and an audience may have ${MAX_KEY_LENGTH} characters together`,
    { credential },
  );
}
