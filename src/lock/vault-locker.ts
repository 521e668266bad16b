import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import { collectGarbage } from "../base/v8-flags.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { EventPayload, LockStatus, Unsaved } from "../protocol.ts";
import type { Peer } from "../rpc/peer.ts";
import type { KeySource, ManagedVault } from "../vault/vault.ts";
import { PassphraseThrottle } from "./passphrase-throttle.ts";
import { sessionKey } from "./session-key.ts";

/** How long (ms) a lock waits for token requests: longer than an ordinary one and its repetition take. */
const PENDING_REFRESH_GRACE_MS = 30_000;
/** A lock that failed is tried again after this (ms). */
const RETRY_MS = 30_000;

export interface VaultLockerOptions {
  clock: Clock;
  time: Timekeeper;
  vault: ManagedVault<object>;
  registry: Registry;
  log: Log;
  /** ms without any use after which the vault is locked; undefined: never. */
  after: number | undefined;
  onEvent: (happened: EventPayload) => void;
  /** Nothing else changes credentials, the vault or its key meanwhile; what waits to do so comes later. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** What people allowed for a while ends with a lock; so does whatever else could hold a secret. */
  forget: () => void;
  /** The vault is open, and nothing was read yet. */
  opened: () => Promise<void>;
}

/** Why the vault is locked, in words that follow "The vault was locked". */
export const LOCK_REASONS = {
  asked: "with authd lock",
  idle: "because nothing was asked of it for a while (lock_after)",
  suspend: "because the machine went to sleep (lock_on)",
  screen: "because the screen was locked (lock_on)",
} as const;

/**
 * Locks the vault, and opens it again. Locked, the key is wiped, and no secret, token or answer is kept.
 * A lock that was asked for ends by `unlock` alone; a key that just could not be had is looked for.
 */
export class VaultLocker {
  readonly #options: VaultLockerOptions;
  readonly #attempts: PassphraseThrottle;
  #after: number | undefined;
  /** The same as the file has it. */
  #configured: number | undefined;
  /** Since when (wall clock, ms) and why it is locked until somebody unlocks it. */
  #held: { since: number; why: string } | undefined;
  /** What callers get from the moment at which locking begins. */
  #refusal: AuthdError | undefined;
  #locking: Promise<void> | undefined;
  #looking = false;
  /** Boot time. */
  #usedAt: number;

  constructor(options: VaultLockerOptions) {
    this.#options = options;
    this.#attempts = new PassphraseThrottle(options.clock);
    this.#after = options.after;
    this.#configured = options.after;
    this.#usedAt = options.time.now().boot;
  }

  /** Somebody wanted it locked. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  get status(): Pick<LockStatus, "locked" | "since" | "why" | "afterMs" | "problem"> {
    const after = this.#after;
    const why = this.#options.vault.locked;
    const unfit = after === undefined ? undefined : whyNotLockable(this.#options.vault.keySource);
    return {
      locked: why !== undefined,
      ...(this.#held ? { since: this.#held.since } : {}),
      ...(why === undefined ? {} : { why }),
      ...(after === undefined ? {} : { afterMs: after }),
      ...(unfit === undefined ? {} : { problem: unfit }),
    };
  }

  // ---- use ----

  /** Somebody wants to use `credential`. Throws AuthdError `vault_locked`. */
  use(credential: string): void {
    this.assertOpen(credential);
    if (this.#after === undefined) return;
    const now = this.#options.time.now().boot;
    // The machine may have slept since the timer rang.
    if (now - this.#usedAt >= this.#after) this.#lockIdle();
    this.assertOpen(credential);
    this.#usedAt = now;
  }

  /** Throws AuthdError `vault_locked`. */
  assertOpen(credential?: string): void {
    const why = this.#refusal?.message ?? this.#options.vault.locked;
    if (why === undefined) return;
    throw new AuthdError("vault_locked", why, credential === undefined ? {} : { credential });
  }

  /** With every ring of the registry's timer. */
  tick(): void {
    const { vault, registry, time } = this.#options;
    if (vault.locked !== undefined) {
      this.#lookForKey();
      return;
    }
    if (this.#after === undefined) return;
    const due = this.#usedAt + this.#after;
    if (time.now().boot >= due) this.#lockIdle();
    else registry.wakeBy(due);
  }

  // ---- locking ----

  /**
   * From now on it locks itself after so long (ms) without use. Throws AuthdError `invalid_params` if
   * locking this vault would protect nothing.
   */
  lockAfter(ms: number): void {
    this.#assertLockable();
    this.#begin(ms);
  }

  /** The file was read again: what is new in it counts. */
  configure(ms: number | undefined): void {
    if (ms === this.#configured) return;
    this.#configured = ms;
    this.#begin(ms);
  }

  #begin(after: number | undefined): void {
    this.#after = after;
    this.#usedAt = this.#options.time.now().boot;
    this.tick();
  }

  /** Throws AuthdError `invalid_params` if locking this vault would protect nothing. */
  #assertLockable(): void {
    const unfit = whyNotLockable(this.#options.vault.keySource);
    if (unfit !== undefined) throw new AuthdError("invalid_params", unfit);
  }

  /**
   * Locks the vault once all that must not be lost is sealed, or can be sealed without its key. Rejects with AuthdError `invalid_params`
   * if that would protect nothing, `internal` if something would be lost: then it is open as before.
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
      // Another one, for a passphrase that is just being tried.
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
      this.#drop();
    } finally {
      this.#refusal = undefined;
    }
  }

  /**
   * A refresh token that is being spent is sealed before the key goes, unless its issuer takes longer
   * than LANDED: then its record, and a key that seals this one alone, are left until the answer is there.
   */
  async #finish(why: string): Promise<void> {
    const { registry, vault } = this.#options;
    const resume = registry.pauseAll(new AuthdError("vault_locked", why));
    try {
      await this.#landed();
      await vault.settled();
      // What was just written is noted first.
      await nextTurn();
      assertSealed(await registry.sealAgain());
    } catch (error) {
      resume();
      throw error;
    }
    await this.#wipe(why);
  }

  async #landed(): Promise<void> {
    const { registry, clock } = this.#options;
    const deadline = clock.monotonic() + PENDING_REFRESH_GRACE_MS;
    while (registry.pendingRefreshes > 0 && clock.monotonic() < deadline) await sleep(10);
  }

  async #wipe(why: string): Promise<void> {
    const { vault, registry, log } = this.#options;
    await vault.lock(why, () => {
      const { sealing } = registry;
      for (const credential of sealing) log.warn({ credential }, stillSealing(credential));
      return sealing;
    });
  }

  #drop(): void {
    const { registry, forget } = this.#options;
    registry.loadAll();
    forget();
    collectGarbage();
  }

  #lockIdle(): void {
    const after = this.#after ?? 0;
    if (this.#locking || whyNotLockable(this.#options.vault.keySource) !== undefined) return;
    this.lock(LOCK_REASONS.idle).catch((error) => {
      this.#options.log.error({}, messageOf(error));
      this.#usedAt = this.#options.time.now().boot - after + Math.min(after, RETRY_MS);
    });
  }

  // ---- unlocking ----

  /**
   * Opens the vault. Rejects with AuthdError `vault_locked` if the key can't be had or the passphrase
   * is wrong, `invalid_params` if one is needed, `too_busy` for who had too many wrong ones.
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
    else if (passphrase) await this.#attempts.run(sessionKey(peer), open);
    else throw passphraseNeeded();
    await this.#locking?.catch(() => {});
    if (this.#held !== held) return await this.#lockedMeanwhile();
    await this.#opened();
  }

  /** Who locks it while a passphrase is tried has the last word. */
  async #lockedMeanwhile(): Promise<void> {
    if (this.#held) await this.#wipe(this.#held.why);
    this.assertOpen();
  }

  /** Whether this is the vault's passphrase. Rejects with AuthdError `too_busy`, as `unlock` does. */
  async isPassphrase(given: string, peer: Peer | undefined): Promise<boolean> {
    const wrong = new Error();
    const look = async () => {
      if (!(await this.#options.vault.isPassphrase(given))) throw wrong;
      return true;
    };
    return await this.#attempts.run(sessionKey(peer), look).catch((error) => {
      if (error === wrong) return false;
      throw error;
    });
  }

  #lookForKey(): void {
    if (this.#held || this.#looking) return;
    const { vault, log } = this.#options;
    this.#looking = true;
    const look = async () => {
      if (!(await vault.unlock())) return;
      // Somebody wanted it locked meanwhile.
      if (this.#held) await this.#wipe(this.#held.why);
      else await this.#opened();
    };
    look()
      .catch((error) => log.error({}, messageOf(error)))
      .finally(() => {
        this.#looking = false;
      });
  }

  async #opened(): Promise<void> {
    const { time, registry, log, onEvent, opened } = this.#options;
    this.#held = undefined;
    this.#usedAt = time.now().boot;
    log.info({}, "the vault's key is there: the vault is open");
    onEvent({ kind: "vault_unlocked" });
    await opened().catch((error) => log.error({}, messageOf(error)));
    registry.loadAll();
  }
}

const WHERE: Readonly<Partial<Record<KeySource, string>>> = {
  file: "in a file beside it, for whoever can read the vault",
  "systemd-credential": "in a file that systemd keeps for the service while it runs",
};

/** Why locking would protect nothing; undefined if it does. */
function whyNotLockable(source: KeySource): string | undefined {
  const where = WHERE[source];
  return where === undefined
    ? undefined
    : `The vault can't be locked: its key is ${where}. Give it one that can go away: authd vault rekey --to passphrase`;
}

/** Tokens can be obtained again. */
function assertSealed(behind: ReadonlyMap<string, Unsaved>): void {
  for (const { atRisk, message } of behind.values()) {
    if (atRisk === "secrets") throw notLocked(message);
  }
}

function stillSealing(credential: string): string {
  return `${credential}: its issuer has not answered with a new refresh token yet. The vault is locked, but for this one record: it is sealed when the answer is there, and wiped then`;
}

function notLocked(why: string): AuthdError {
  return new AuthdError("internal", `The vault is not locked, as a secret would be lost. ${why}`);
}

function passphraseNeeded(): AuthdError {
  return new AuthdError(
    "invalid_params",
    "The vault is sealed with a passphrase: run authd unlock, which asks for it.",
  );
}
