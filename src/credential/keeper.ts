import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { StoredToken } from "../token.ts";
import type { Vault } from "../vault/vault.ts";
import type { CredentialRecord } from "./record.ts";
import { WARM_FOR } from "./schedule.ts";
import type { Variant } from "./variant.ts";

/** After this (ms) a record that could not be sealed is tried again. */
const SAVE_AGAIN = 5_000;
/** What is sealed of when a program last asked is at most this old (ms): half of what keeps a token warm. */
const SEAL_ASKED = WARM_FOR / 2;

export interface KeeperOptions {
  name: string;
  vault: Vault<CredentialRecord>;
  time: Timekeeper;
  log: Log;
  /** The tokens as they are now. */
  variants: () => readonly Variant[];
  /** Digest of the settings that they were obtained with. */
  acquisition: () => string;
  /** The disk failed: `message` says how; the next try is due at this boot time. */
  onFailure: (message: string, retryAt: number) => void;
}

/** Keeps one credential's record, in memory and sealed; what can't be written is written later. */
export class Keeper {
  record: CredentialRecord | undefined;
  /** Boot time; Infinity: all is sealed. */
  saveAgainAt = Number.POSITIVE_INFINITY;
  readonly #options: KeeperOptions;
  /** A change that is being sealed; never rejects. */
  #amending: Promise<void> | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Reads the sealed record; throws AuthdError `vault_locked` or `credential_damaged`. */
  load(): CredentialRecord | undefined {
    this.drop();
    this.record = this.#options.vault.read(this.#options.name);
    return this.record;
  }

  /** Nothing is sealed any more. */
  drop(): void {
    this.record = undefined;
    this.saveAgainAt = Number.POSITIVE_INFINITY;
  }

  /**
   * Seals a change, and only then makes it, together with `adopt`: nobody gets to see new secrets
   * beside old settings. If sealing fails, all is as it was. `change` is called twice.
   */
  async amend(change: (record: CredentialRecord) => void, adopt: () => void): Promise<void> {
    const { name, vault } = this.#options;
    while (this.#amending) await this.#amending;
    const { record } = this;
    if (!record) throw new Error("there is no record to amend");
    const draft = { ...record };
    change(draft);
    const sealed = vault.write(name, draft, { durable: true }).then(() => {
      // In place: a flight that spends a refresh token keeps the rotated one in this very record.
      change(record);
      adopt();
    });
    const done = () => {
      this.#amending = undefined;
    };
    this.#amending = sealed.then(done, done);
    await sealed;
  }

  /** Seals `record` with the tokens of now, unless it was replaced meanwhile. Never rejects. */
  async save(record: CredentialRecord, durable: boolean): Promise<void> {
    if (record !== this.record) return;
    const { name, vault, time, log, variants, acquisition, onFailure } = this.#options;
    // Before the wait: what is about to be sealed is not due any more.
    this.saveAgainAt = Number.POSITIVE_INFINITY;
    for (const variant of variants()) variant.askedSealedAt = variant.askedAt;
    // Otherwise what is sealed last would be without the change.
    while (this.#amending) await this.#amending;
    if (record !== this.record) return;
    record.tokens = variants().flatMap((variant) => stored(variant, time));
    record.obtainedWith = acquisition();
    try {
      await vault.write(name, record, { durable });
    } catch (error) {
      if (record !== this.record) return;
      this.saveAgainAt = time.now().boot + SAVE_AGAIN;
      const message = `${name}: kept in memory only, as it could not be sealed; trying again: ${messageOf(error)}`;
      log.error({ credential: name }, message);
      onFailure(message, this.saveAgainAt);
    }
  }

  /**
   * Boot time: what could not be sealed before is tried again if that is due. When programs asked is
   * sealed now and then, or a restart would take what is in use for forgotten.
   */
  saveAgain(now: number): void {
    if (!this.record) return;
    if (this.saveAgainAt <= now) void this.save(this.record, true);
    else if (
      this.saveAgainAt === Number.POSITIVE_INFINITY &&
      this.#options.variants().some(isBehind)
    )
      void this.save(this.record, false);
  }
}

function isBehind({ issued, askedAt, askedSealedAt }: Variant): boolean {
  return issued !== undefined && askedAt - askedSealedAt > SEAL_ASKED;
}

function stored({ issued, want, askedAt, key }: Variant, time: Timekeeper): StoredToken[] {
  if (!issued) return [];
  const { token, accessToken, tokenType, scope } = issued;
  const { lifetime, assumed, refreshIn, obtainedAt, bornAt, jitter, doubtful } = token;
  const now = time.now();
  // An age that is in doubt is told by the wall clock the next time, too.
  const bootId = doubtful ? "" : time.bootId;
  return [
    {
      ...(key === "" ? {} : { variant: want }),
      accessToken,
      tokenType,
      ...(scope === undefined ? {} : { scope }),
      lifetime: Number.isFinite(lifetime) ? lifetime : null,
      assumed,
      ...(refreshIn === undefined ? {} : { refreshIn }),
      obtainedAt: { wall: obtainedAt, boot: bornAt, bootId },
      jitter,
      askedAt: askedAt === Number.NEGATIVE_INFINITY ? 0 : now.wall - (now.boot - askedAt),
    },
  ];
}
