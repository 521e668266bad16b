import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import { collectGarbage } from "../base/v8-flags.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { EventPayload, LockStatus } from "../protocol.ts";
import type { Peer } from "../rpc/peer.ts";
import type { ManagedVault } from "../vault/vault.ts";
import { IdleTimer } from "./idle-timer.ts";
import {
  assertSealed,
  LOCK_REASONS,
  passphraseNeeded,
  stillSealing,
  whyNotLockable,
} from "./lock-errors.ts";
import { PassphraseThrottle } from "./passphrase-throttle.ts";
import { sessionKey } from "./session-key.ts";

/** Time that a lock waits for token requests: longer than an ordinary request and its repetition take. */
const PENDING_REFRESH_GRACE_MS = 30_000;
/** Delay after which a lock that failed is tried again. */
const RETRY_MS = 30_000;

export interface VaultLockerOptions {
  clock: Clock;
  time: Timekeeper;
  vault: ManagedVault<object>;
  registry: Registry;
  log: Log;
  /** Time (ms) without any use after which the vault is locked; undefined: never. */
  afterMs: number | undefined;
  onEvent: (happened: EventPayload) => void;
  /** Runs `work` while nothing else changes credentials, the vault or its key, ahead of what waits to do so. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Drops what else could hold a secret, and answers of people that hold until a lock. */
  onLocked: () => void;
  /** Called when the vault was opened, before anything is read. */
  onOpened: () => Promise<void>;
}

/**
 * Locks and opens the vault. While it is locked, neither the key nor any secret, token or answer is in
 * memory. A lock that somebody wanted ends with `unlock` only; a key that was not available is looked
 * for again.
 */
export class VaultLocker {
  readonly #options: VaultLockerOptions;
  readonly #throttle: PassphraseThrottle;
  readonly #idle: IdleTimer;
  /** A lock that somebody wanted. `since` is wall clock, ms. */
  #held: { since: number; why: string } | undefined;
  /** Error for callers from the moment at which locking begins. */
  #refusal: AuthdError | undefined;
  #locking: Promise<void> | undefined;
  #isLookingForKey = false;

  constructor(options: VaultLockerOptions) {
    this.#options = options;
    this.#throttle = new PassphraseThrottle(options.clock);
    this.#idle = new IdleTimer(options.time, options.afterMs);
  }

  /** True if somebody wanted it locked. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  get status(): Pick<LockStatus, "locked" | "since" | "why" | "afterMs" | "problem"> {
    const { locked: why, keySource } = this.#options.vault;
    const afterMs = this.#idle.timeoutMs;
    const problem = afterMs === undefined ? undefined : whyNotLockable(keySource);
    const since = this.#held?.since;
    return { locked: why !== undefined, ...omitUndefined({ since, why, afterMs, problem }) };
  }

  // ---- use ----

  /** Restarts the idle timer for a use of `credential`. Throws AuthdError `vault_locked`. */
  use(credential: string): void {
    this.assertOpen(credential);
    if (this.#idle.timeoutMs === undefined) return;
    // The machine may have slept since the last tick.
    if (this.#idle.isDue) this.#lockIdle();
    this.assertOpen(credential);
    this.#idle.restart();
  }

  /** Throws AuthdError `vault_locked`. */
  assertOpen(credential?: string): void {
    const why = this.#refusal?.message ?? this.#options.vault.locked;
    if (why === undefined) return;
    throw new AuthdError("vault_locked", why, omitUndefined({ credential }));
  }

  /** Called with each tick of the registry's timer. */
  tick(): void {
    const { vault, registry } = this.#options;
    if (vault.locked !== undefined) {
      this.#lookForKey();
      return;
    }
    const due = this.#idle.dueAtBootMs;
    if (due === undefined) return;
    if (this.#idle.isDue) this.#lockIdle();
    else registry.wakeBy(due);
  }

  // ---- locking ----

  /**
   * Sets the time (ms) without use after which the vault locks itself. Throws AuthdError
   * `invalid_params` if locking this vault would protect nothing.
   */
  lockAfter(ms: number): void {
    this.#assertLockable();
    this.#idle.restartWith(ms);
    this.tick();
  }

  /** Applies `lock_after` of config.toml, if it was edited. */
  configure(ms: number | undefined): void {
    if (this.#idle.configure(ms)) this.tick();
  }

  /** Throws AuthdError `invalid_params` if locking this vault would protect nothing. */
  #assertLockable(): void {
    const why = whyNotLockable(this.#options.vault.keySource);
    if (why !== undefined) throw new AuthdError("invalid_params", why);
  }

  /**
   * Locks the vault once all that must not be lost is sealed, or can be sealed without its key. Rejects
   * with AuthdError `invalid_params` if that would protect nothing, and `internal` if a secret would be
   * lost: the vault is open as before then.
   */
  async lock(why: string): Promise<void> {
    this.#assertLockable();
    const message = `The vault was locked ${why}. Run authd unlock to open it.`;
    this.#locking ??= this.#lock(message).finally(() => {
      this.#locking = undefined;
    });
    await this.#locking;
  }

  async #lock(why: string): Promise<void> {
    const { vault, inTurn, log, onEvent } = this.#options;
    if (this.#held) {
      // Replaces the object, so that an `unlock` in progress notices this lock: it compares references.
      this.#held = { ...this.#held };
      return;
    }
    this.#refusal = new AuthdError("vault_locked", why);
    try {
      const wasOpen = vault.locked === undefined;
      if (wasOpen) await inTurn(() => this.#finish(why));
      else await this.#wipe(why);
      this.#held = { since: this.#options.clock.wall(), why };
      if (wasOpen) onEvent({ kind: "vault_locked", message: why, wanted: true });
      log.info({}, why);
      this.#dropSecrets();
    } finally {
      this.#refusal = undefined;
    }
  }

  /**
   * Seals everything, then wipes. A refresh token that is being spent is sealed first, unless its issuer
   * takes longer than PENDING_REFRESH_GRACE_MS: its record, and a key for this record alone, stay in
   * memory until the response is there.
   */
  async #finish(why: string): Promise<void> {
    const { registry, vault } = this.#options;
    const resume = registry.pauseAll(new AuthdError("vault_locked", why));
    try {
      await this.#waitForPending();
      await vault.settled();
      // Yields once, so that the results of these writes are recorded.
      await nextTurn();
      assertSealed(await registry.sealAgain());
    } catch (error) {
      resume();
      throw error;
    }
    await this.#wipe(why);
  }

  async #waitForPending(): Promise<void> {
    const { registry, clock } = this.#options;
    const deadlineMs = clock.monotonic() + PENDING_REFRESH_GRACE_MS;
    while (registry.pendingRefreshes > 0 && clock.monotonic() < deadlineMs) await sleep(10);
  }

  async #wipe(why: string): Promise<void> {
    const { vault, registry, log } = this.#options;
    await vault.lock(why, () => {
      const { sealing } = registry;
      for (const credential of sealing) log.warn({ credential }, stillSealing(credential));
      return sealing;
    });
  }

  #dropSecrets(): void {
    const { registry, onLocked } = this.#options;
    registry.loadAll();
    onLocked();
    collectGarbage();
  }

  #lockIdle(): void {
    if (this.#locking || whyNotLockable(this.#options.vault.keySource) !== undefined) return;
    this.lock(LOCK_REASONS.idle).catch((error) => {
      this.#options.log.error({}, messageOf(error));
      this.#idle.postpone(RETRY_MS);
    });
  }

  // ---- unlocking ----

  /**
   * Opens the vault. Rejects with AuthdError `vault_locked` if the key can't be had or the passphrase
   * is wrong, `invalid_params` if a passphrase is needed, `too_busy` after too many wrong ones.
   */
  async unlock(passphrase: string | undefined, peer: Peer | undefined): Promise<void> {
    const { vault } = this.#options;
    await this.#locking?.catch(() => {});
    if (vault.locked === undefined) return;
    const held = this.#held;
    const open = async () => {
      if (vault.locked !== undefined) await vault.open(passphrase);
    };
    if (vault.keySource !== "passphrase") await open();
    else if (passphrase) await this.#throttle.run(sessionKey(peer), open);
    else throw passphraseNeeded();
    await this.#locking?.catch(() => {});
    if (this.#held !== held) return await this.#lockedMeanwhile();
    await this.#opened();
  }

  /** Wipes the key again: a lock while a passphrase is tried wins. */
  async #lockedMeanwhile(): Promise<void> {
    if (this.#held) await this.#wipe(this.#held.why);
    this.assertOpen();
  }

  /** Returns whether this is the vault's passphrase. Rejects with AuthdError `too_busy`, as `unlock` does. */
  async isPassphrase(given: string, peer: Peer | undefined): Promise<boolean> {
    const wrong = new Error();
    const look = async () => {
      if (!(await this.#options.vault.isPassphrase(given))) throw wrong;
      return true;
    };
    return await this.#throttle.run(sessionKey(peer), look).catch((error) => {
      if (error === wrong) return false;
      throw error;
    });
  }

  #lookForKey(): void {
    if (this.#held || this.#isLookingForKey) return;
    const { vault, log } = this.#options;
    this.#isLookingForKey = true;
    const look = async () => {
      if (!(await vault.unlock())) return;
      // Somebody locked it meanwhile.
      if (this.#held) await this.#wipe(this.#held.why);
      else await this.#opened();
    };
    look()
      .catch((error) => log.error({}, messageOf(error)))
      .finally(() => {
        this.#isLookingForKey = false;
      });
  }

  async #opened(): Promise<void> {
    const { registry, log, onEvent, onOpened } = this.#options;
    this.#held = undefined;
    this.#idle.restart();
    log.info({}, "the vault's key is there: the vault is open");
    onEvent({ kind: "vault_unlocked" });
    await onOpened().catch((error) => log.error({}, messageOf(error)));
    registry.loadAll();
  }
}
