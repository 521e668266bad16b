import type { Log } from "../base/log.ts";
import { ThrottledWarning } from "../base/throttled-warning.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import type { Registry } from "../credential/registry.ts";
import { messageOf } from "../errors.ts";
import type { Vault } from "../vault/vault.ts";

/** The folder is looked at no more often than this (ms). */
const CHECK_INTERVAL_MS = 5_000;

export interface VaultGuardOptions {
  vault: Pick<Vault<object>, "ensure" | "names">;
  registry: Pick<Registry, "sealMissing">;
  time: Timekeeper;
  log: Log;
}

/**
 * Notices that the vault's folder was removed under the daemon, also while nothing is to be sealed:
 * makes it again and seals what is in memory, before another daemon begins a new vault there, and
 * before a restart would find nothing.
 */
export class VaultWatcher {
  readonly #options: VaultGuardOptions;
  readonly #alarm = new ThrottledWarning();
  #nextAt = Number.NEGATIVE_INFINITY;
  #looking = false;

  constructor(options: VaultGuardOptions) {
    this.#options = options;
  }

  /** Looks at the vault's folder now and then; call with every ring of the timer. Never rejects. */
  async check(): Promise<void> {
    const now = this.#options.time.now();
    if (this.#looking || now.boot < this.#nextAt) return;
    this.#nextAt = now.boot + CHECK_INTERVAL_MS;
    this.#looking = true;
    await this.#look().catch((error) => this.#complain(messageOf(error)));
    this.#looking = false;
  }

  async #look(): Promise<void> {
    const { vault, registry } = this.#options;
    let failure: unknown;
    const restored = await vault.ensure().catch((error) => {
      failure = error;
      return false;
    });
    // A credential that can't be sealed now reports it, and tries again.
    if (restored || failure !== undefined) registry.sealMissing(vault.names());
    if (failure !== undefined) throw failure;
    this.#alarm.clear();
  }

  #complain(why: string): void {
    const { log, time } = this.#options;
    const message = `The vault can't be used at the moment: ${why}`;
    if (this.#alarm.shouldReport({ atRisk: "secrets", message }, time.now()))
      log.error({}, message);
  }
}
