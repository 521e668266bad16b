import type { Log } from "../base/log.ts";
import { ThrottledWarning } from "../base/throttled-warning.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { Unsaved } from "../protocol.ts";
import type { RecordStore } from "./credential-deps.ts";
import type { CredentialRecord } from "./record.ts";
import { KEEP_WARM_MS } from "./schedule.ts";
import type { StoredToken } from "./token.ts";
import type { TokenSlot } from "./token-slot.ts";

/** After this (ms) a record that could not be sealed is tried again. */
const SAVE_RETRY_MS = 5_000;
/** What is sealed of when a program last asked is at most this old (ms): half of what keeps a token warm. */
const LAST_USED_FLUSH_MS = KEEP_WARM_MS / 2;

export interface StoredRecordOptions {
  name: string;
  vault: RecordStore;
  time: Timekeeper;
  log: Log;
  /** The tokens as they are now. */
  tokens: () => readonly TokenSlot[];
  /** Digest of the settings that they were obtained with. */
  acquisition: () => string;
  /** The disk failed: `message` says how; the next try is due at this boot time. */
  onFailure: (message: string, retryAt: number) => void;
  /** That is to be said, as it is new or has lasted; and later, that all is sealed again. */
  onAlarm: (kind: "unsaved" | "sealed", message: string) => void;
}

/** Keeps one credential's record, in memory and sealed; what can't be written is written later. */
export class StoredRecord {
  record: CredentialRecord | undefined;
  /** Boot time; Infinity: all is sealed. */
  saveAgainAt = Number.POSITIVE_INFINITY;
  readonly #options: StoredRecordOptions;
  /** A change that is being sealed; never rejects. */
  #amending: Promise<void> | undefined;
  /** The very object that is sealed for certain: secrets are replaced as a whole. */
  #sealedSecrets: CredentialRecord["secrets"] | undefined;
  /** Made with the first failure: disks seldom fail. */
  #alarm: ThrottledWarning | undefined;

  constructor(options: StoredRecordOptions) {
    this.#options = options;
  }

  /** What is in memory only; undefined if all is sealed. */
  get unsaved(): Unsaved | undefined {
    return this.#alarm?.unsaved;
  }

  /** Reads the sealed record; throws AuthdError `vault_locked` or `credential_damaged`. */
  load(): CredentialRecord | undefined {
    this.drop();
    this.record = this.#options.vault.read(this.#options.name);
    this.#sealedSecrets = this.record?.secrets;
    return this.record;
  }

  /** A copy of the record as it would be sealed now, whether or not it could be yet. */
  snapshot(): CredentialRecord | undefined {
    const { record } = this;
    if (!record) return undefined;
    const { tokens: variants, time, acquisition } = this.#options;
    const tokens = variants().flatMap((slot) => stored(slot, time));
    return structuredClone({ ...record, tokens, obtainedWith: acquisition() });
  }

  /** Nothing is sealed any more. */
  drop(): void {
    this.record = undefined;
    this.saveAgainAt = Number.POSITIVE_INFINITY;
    this.#sealedSecrets = undefined;
    this.#alarm = undefined;
  }

  /**
   * Seals a change, and only then makes it, together with `adopt`: nobody gets to see new secrets
   * beside old settings. If sealing fails, all is as it was. `change` is called twice.
   */
  async update(change: (record: CredentialRecord) => void, adopt: () => void): Promise<void> {
    const { name, vault } = this.#options;
    while (this.#amending) await this.#amending;
    const { record } = this;
    if (!record) throw new Error("there is no record to amend");
    const draft = { ...record };
    const { secrets } = record;
    change(draft);
    const sealed = vault.write(name, draft, { durable: true, isChange: true }).then(() => {
      // In place: a flight that spends a refresh token keeps the rotated one in this very record.
      const isWhole = record.secrets === secrets;
      change(record);
      if (isWhole) this.#sealedSecrets = record.secrets;
      adopt();
    });
    const done = () => {
      this.#amending = undefined;
    };
    this.#amending = sealed.then(done, done);
    await sealed;
  }

  /**
   * Seals `record` with the tokens of now, unless it was replaced meanwhile. False if the disk does
   * not take it: then it is tried again later. Never rejects.
   */
  async save(record: CredentialRecord, durable: boolean): Promise<boolean> {
    if (record !== this.record) return true;
    const { name, vault, time, tokens: variants, acquisition } = this.#options;
    // Before the wait: what is about to be sealed is not due any more.
    this.saveAgainAt = Number.POSITIVE_INFINITY;
    for (const slot of variants()) slot.lastUsedSavedAt = slot.lastUsedAt;
    // Otherwise what is sealed last would be without the change.
    while (this.#amending) await this.#amending;
    if (record !== this.record) return true;
    record.tokens = variants().flatMap((slot) => stored(slot, time));
    record.obtainedWith = acquisition();
    const { secrets } = record;
    try {
      // After a failure the folder may not have been synced, whatever is asked for now.
      await vault.write(name, record, { durable: durable || secrets !== this.#sealedSecrets });
    } catch (error) {
      if (record === this.record) this.#failed(record, errorCause(error));
      return false;
    }
    if (record === this.record) this.#sealed(secrets);
    return true;
  }

  #failed({ secrets }: CredentialRecord, why: string): void {
    const { name, time, log, onFailure, onAlarm } = this.#options;
    const now = time.now();
    const atRisk = secrets === this.#sealedSecrets ? "tokens" : "secrets";
    const message = `${name}: kept in memory only, as it could not be sealed; trying again: ${why}`;
    this.saveAgainAt = now.boot + SAVE_RETRY_MS;
    this.#alarm ??= new ThrottledWarning();
    const isNews = this.#alarm.shouldReport({ atRisk, message }, now);
    if (isNews) log.error({ credential: name, atRisk }, message);
    onFailure(message, this.saveAgainAt);
    if (isNews) onAlarm("unsaved", message);
  }

  #sealed(secrets: CredentialRecord["secrets"]): void {
    const { name, time, log, onAlarm } = this.#options;
    this.#sealedSecrets = secrets;
    const before = this.#alarm?.clear();
    if (!before) return;
    const seconds = Math.round((time.now().wall - before.since) / 1_000);
    const message = `${name}: sealed again, after ${seconds} s in memory only`;
    log.info({ credential: name }, message);
    onAlarm("sealed", message);
  }

  /**
   * Boot time: what could not be sealed before is tried again if that is due. When programs asked is
   * sealed now and then, or a restart would take what is in use for forgotten.
   */
  saveAgain(now: number): void {
    if (!this.record) return;
    if (this.saveAgainAt <= now) void this.save(this.record, true);
    else if (this.saveAgainAt === Number.POSITIVE_INFINITY && this.#options.tokens().some(isBehind))
      void this.save(this.record, false);
  }
}

function errorCause(error: unknown): string {
  const isInTheWay = error instanceof AuthdError && error.reason === "credential_damaged";
  return isInTheWay
    ? `${error.message}. Moved away, it is written anew from what is in memory`
    : messageOf(error);
}

function isBehind({
  issued,
  lastUsedAt: askedAt,
  lastUsedSavedAt: askedSealedAt,
}: TokenSlot): boolean {
  return issued !== undefined && askedAt - askedSealedAt > LAST_USED_FLUSH_MS;
}

function stored(
  { issued, target: want, lastUsedAt: askedAt, key }: TokenSlot,
  time: Timekeeper,
): StoredToken[] {
  if (!issued) return [];
  const { token, accessToken, tokenType, scope } = issued;
  const {
    lifetime,
    assumed,
    refreshIn,
    obtainedAt,
    bornAt,
    jitter,
    ageUncertain: doubtful,
  } = token;
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
      ...(askedAt === Number.NEGATIVE_INFINITY
        ? { askedAt: 0 }
        : { askedAt: now.wall - (now.boot - askedAt), askedAtBoot: askedAt }),
    },
  ];
}
