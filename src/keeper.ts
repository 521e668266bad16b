import { messageOf } from "./errors.ts";
import type { Log } from "./log.ts";
import type { CredentialRecord } from "./record.ts";
import type { Timekeeper } from "./timekeeper.ts";
import type { StoredToken } from "./token.ts";
import type { Variant } from "./variant.ts";
import type { Vault } from "./vault/vault.ts";

/** After this (ms) a record that could not be sealed is tried again. */
const SAVE_AGAIN = 5_000;

export interface KeeperOptions {
  name: string;
  vault: Vault<CredentialRecord>;
  time: Timekeeper;
  log: Log;
  /** The tokens as they are now. */
  variants: () => readonly Variant[];
  /** The disk failed: `message` says how; the next try is due at this boot time. */
  onFailure: (message: string, retryAt: number) => void;
}

/** Keeps one credential's record, in memory and sealed; what can't be written is written later. */
export class Keeper {
  record: CredentialRecord | undefined;
  /** Boot time; Infinity: all is sealed. */
  saveAgainAt = Number.POSITIVE_INFINITY;
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Reads the sealed record; throws AuthdError `vault_locked` or `credential_damaged`. */
  load(): CredentialRecord | undefined {
    this.record = undefined;
    this.record = this.#options.vault.read(this.#options.name);
    return this.record;
  }

  /** Seals new secrets and another binding; if that fails, the record is as it was before. */
  async amend(change: (record: CredentialRecord) => void): Promise<void> {
    const { record } = this;
    if (!record) throw new Error("there is no record to amend");
    const before = { ...record };
    // In place: a flight that spends a refresh token keeps the rotated one in this very record.
    change(record);
    try {
      await this.#options.vault.write(this.#options.name, record, { durable: true });
    } catch (error) {
      Object.assign(record, before);
      throw error;
    }
  }

  /** Seals `record` with the tokens of now, unless it was replaced meanwhile. Never rejects. */
  async save(record: CredentialRecord | undefined, durable: boolean): Promise<void> {
    if (record === undefined || record !== this.record) return;
    const { name, vault, time, log, variants, onFailure } = this.#options;
    this.saveAgainAt = Number.POSITIVE_INFINITY;
    record.tokens = variants().flatMap((variant) => stored(variant, time));
    try {
      await vault.write(name, record, { durable });
    } catch (error) {
      this.saveAgainAt = time.now().boot + SAVE_AGAIN;
      const message = `${name}: kept in memory only, as it could not be sealed; trying again: ${messageOf(error)}`;
      log.error({ credential: name }, message);
      onFailure(message, this.saveAgainAt);
    }
  }
}

function stored({ issued, want, askedAt, key }: Variant, time: Timekeeper): StoredToken[] {
  if (!issued) return [];
  const { token, accessToken, tokenType, scope } = issued;
  const { lifetime, assumed, refreshIn, obtainedAt, bornAt, jitter } = token;
  const now = time.now();
  return [
    {
      ...(key === "" ? {} : { variant: want }),
      accessToken,
      tokenType,
      ...(scope === undefined ? {} : { scope }),
      lifetime: Number.isFinite(lifetime) ? lifetime : null,
      assumed,
      ...(refreshIn === undefined ? {} : { refreshIn }),
      obtainedAt: { wall: obtainedAt, boot: bornAt, bootId: time.bootId },
      jitter,
      askedAt: askedAt === Number.NEGATIVE_INFINITY ? 0 : now.wall - (now.boot - askedAt),
    },
  ];
}
