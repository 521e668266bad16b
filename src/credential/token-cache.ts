import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import type { TokenTarget } from "./record.ts";
import { ownTokenServes } from "./superseded.ts";
import { createTokenSlot, type TokenSlot, targetKey, targetOf } from "./token-slot.ts";

/** Slots of one credential, its own included. */
const MAX_TOKENS = 32;

/** Characters of a scope and an audience together: they are kept in memory and sealed with the token. */
const MAX_KEY_LENGTH = 8_192;

/** Holds a credential's token slots: for its own scope and audience, and for those that callers asked for. */
export class TokenCache {
  #own: TokenSlot = createTokenSlot({});
  readonly #others = new Map<string, TokenSlot>();
  /** Rebuilt with every change, as the timer reads the slots of 10,000 credentials again and again. */
  #all: readonly TokenSlot[] = [this.#own];

  get own(): TokenSlot {
    return this.#own;
  }

  all(): readonly TokenSlot[] {
    return this.#all;
  }

  /** Returns the slots beside the credential's own. */
  others(): TokenSlot[] {
    return this.#others.size === 0 ? [] : [...this.#others.values()];
  }

  getOrCreate(target: TokenTarget): TokenSlot {
    const key = targetKey(target);
    if (key === "") return this.own;
    const known = this.#others.get(key);
    if (known) return known;
    const slot = createTokenSlot(target);
    this.#others.set(key, slot);
    this.#rebuildAll();
    return slot;
  }

  /**
   * Returns the slot for a caller's target. If there are too many, the least recently used one is evicted.
   * Throws AuthdError, which names `credential`: `too_busy` if none can be evicted, `invalid_params` if the
   * target is too long.
   */
  getOrEvict(target: TokenTarget, credential: string): TokenSlot {
    const key = targetKey(target);
    if (key.length > MAX_KEY_LENGTH) throw tooLong(credential);
    if (key !== "" && !this.#others.has(key)) this.#makeRoom(credential);
    return this.getOrCreate(target);
  }

  /** False if settings or secrets were replaced while a request for `slot` was pending. */
  has(slot: TokenSlot): boolean {
    return slot === this.own || this.#others.get(slot.key) === slot;
  }

  /**
   * Drops every token and failure but keeps last-use times. With `keepQueued`, requests that have not been
   * sent stay: they read settings and secrets only when they are sent, so they will use the new ones.
   */
  forget(keepQueued = false): void {
    const isKept = ({ pendingRefresh }: TokenSlot) =>
      keepQueued && pendingRefresh !== undefined && !pendingRefresh.sent;
    const kept = this.#all.filter(isKept);
    // The timer ends the pauses of kept slots only.
    for (const slot of this.#all) if (!isKept(slot)) slot.pendingRefresh?.pause?.end();
    this.#own = { ...createTokenSlot({}), lastUsedAt: this.own.lastUsedAt };
    this.#others.clear();
    for (const slot of kept) {
      const { target, pendingRefresh, lastUsedAt } = slot;
      Object.assign(slot, createTokenSlot(target), { pendingRefresh, lastUsedAt });
      if (slot.key === "") this.#own = slot;
      else this.#others.set(slot.key, slot);
    }
    this.#rebuildAll();
  }

  /** Returns the slot that is shown for the credential: its own, unless only another is in use. */
  primary(): TokenSlot {
    const { own } = this;
    if (own.issued || own.failures > 0 || this.#others.size === 0) return own;
    return [...this.#others.values()].sort((a, b) => b.lastUsedAt - a.lastUsedAt)[0] ?? own;
  }

  #rebuildAll(): void {
    this.#all = [this.#own, ...this.#others.values()];
  }

  #makeRoom(credential: string): void {
    if (this.#others.size + 1 < MAX_TOKENS) return;
    const idle = [...this.#others.values()].filter(({ pendingRefresh }) => !pendingRefresh);
    const oldest = idle.sort((a, b) => a.lastUsedAt - b.lastUsedAt)[0];
    if (oldest) {
      this.#others.delete(oldest.key);
      this.#rebuildAll();
      return;
    }
    throw new AuthdError(
      "too_busy",
      `${credential}: ${MAX_TOKENS} scopes or audiences are being obtained at once`,
      { credential, retryAfterMs: 1_000 },
    );
  }
}

/** Returns the slot for a caller's scope and audience. Throws AuthdError as `getOrEvict` does. */
export function slotFor(
  tokens: TokenCache,
  settings: CredentialSettings,
  scope: string | undefined,
  audience: string | undefined,
): TokenSlot {
  const { name, grant, own } = settings;
  const target = targetOf(own, scope, audience);
  if (target.scope !== undefined && target.audience === undefined) {
    if (ownTokenServes(settings, tokens.own, target.scope)) return tokens.own;
  }
  if (targetKey(target) === "" || grantNamed(grant).acceptsTarget(own)) {
    return tokens.getOrEvict(target, name);
  }
  const message = `${name}: its grant "${grant}" takes no scope or audience of the caller's`;
  throw new AuthdError("invalid_params", message, { credential: name });
}

function tooLong(credential: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${credential}: a scope and an audience may have ${MAX_KEY_LENGTH} characters together`,
    { credential },
  );
}
