import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { ThrottledWarning } from "../base/throttled-warning.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import { Turns } from "../base/turns.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { Unsaved } from "../protocol.ts";
import type { RecordStore } from "./credential-deps.ts";
import { type CredentialRecord, malformedPart, type StoredToken } from "./record.ts";
import { KEEP_WARM_MS } from "./schedule.ts";
import type { TokenSlot } from "./token-slot.ts";

const SAVE_RETRY_MS = 5_000;
/** The last-use times that are sealed are at most this old: half of the time for which use keeps a token warm. */
const LAST_USED_FLUSH_MS = KEEP_WARM_MS / 2;

export interface StoredRecordOptions {
  name: string;
  vault: RecordStore;
  time: Timekeeper;
  log: Log;
  /** Returns the cached tokens. */
  tokens: () => readonly TokenSlot[];
  /** Returns the digest of the settings that they were obtained with. */
  acquisition: () => string;
  /** Called when a write failed: `message` says how; the retry is due at this boot time (ms). */
  onFailure: (message: string, retryAtBootMs: number) => void;
  /** Called when a failure is to be reported, as it is new or has lasted; and when all is sealed again. */
  onAlarm: (kind: "unsaved" | "sealed", message: string) => void;
}

/** Keeps one credential's record, in memory and sealed. A write that fails is retried. */
export class StoredRecord {
  record: CredentialRecord | undefined;
  /** Boot time (ms); Infinity: everything is sealed. */
  retrySaveAt = Number.POSITIVE_INFINITY;
  readonly #options: StoredRecordOptions;
  /** Changes wait for each other, and writes for changes. */
  readonly #turns = new Turns();
  /** The very object that is certainly sealed: secrets are replaced as a whole. */
  #sealedSecrets: CredentialRecord["secrets"] | undefined;
  /** Created with the first failure: disks seldom fail. */
  #warning: ThrottledWarning | undefined;

  constructor(options: StoredRecordOptions) {
    this.#options = options;
  }

  /** The change that is in memory only; undefined if everything is sealed. */
  get unsaved(): Unsaved | undefined {
    return this.#warning?.unsaved;
  }

  /** Reads the sealed record; throws AuthdError `vault_locked` or `credential_damaged`. */
  load(): CredentialRecord | undefined {
    this.drop();
    const { name, vault } = this.#options;
    const record = vault.read(name);
    const part = record && malformedPart(record);
    if (part !== undefined) throw malformed(name, part);
    this.record = record;
    this.#sealedSecrets = record?.secrets;
    return record;
  }

  /** Returns a copy of the record with the tokens of now, whether or not it could be sealed. */
  snapshot(): CredentialRecord | undefined {
    if (!this.record) return undefined;
    return structuredClone({ ...this.record, ...this.#tokens() });
  }

  /** Forgets the record: nothing is sealed any more. */
  drop(): void {
    this.record = undefined;
    this.retrySaveAt = Number.POSITIVE_INFINITY;
    this.#sealedSecrets = undefined;
    this.#warning = undefined;
  }

  /**
   * Writes `change` to the vault, then applies it to the record in memory and calls `adopt`, so that new
   * secrets are never visible together with old settings. If the write fails, nothing changes. `change` runs
   * twice: on a draft, and on the live record. `isChange` as in the vault.
   */
  async update(
    change: (record: CredentialRecord) => void,
    adopt: () => void,
    isChange = true,
  ): Promise<void> {
    const { name, vault } = this.#options;
    await this.#turns.run(async () => {
      const { record } = this;
      if (!record) throw new Error("there is no record to update");
      const draft = { ...record };
      const { secrets } = record;
      change(draft);
      await vault.write(name, draft, { durable: true, isChange });
      // In place: a request with a refresh token puts the rotated one into this very record.
      const isUnchanged = record.secrets === secrets;
      change(record);
      if (isUnchanged) this.#sealedSecrets = record.secrets;
      adopt();
    });
  }

  /**
   * Seals `record` with the tokens of now, unless it was replaced meanwhile. Returns false if the write
   * fails, and retries it later. Never rejects.
   */
  async save(record: CredentialRecord, durable: boolean): Promise<boolean> {
    if (record !== this.record) return true;
    // Before the wait: the write that is about to start is not due any more.
    this.retrySaveAt = Number.POSITIVE_INFINITY;
    for (const slot of this.#options.tokens()) slot.lastUsedSavedAt = slot.lastUsedAt;
    const { secrets, written } = await this.#turns.run(async () => this.#write(record, durable));
    try {
      if (!(await written)) return true;
    } catch (error) {
      if (record === this.record) this.#onFailure(record, errorCause(error));
      return false;
    }
    if (record === this.record) this.#onSealed(secrets);
    return true;
  }

  /** Starts to write. `written` is false if the record was replaced. */
  #write(record: CredentialRecord, durable: boolean) {
    const { secrets } = record;
    if (record !== this.record) return { secrets, written: Promise.resolve(false) };
    const { name, vault } = this.#options;
    Object.assign(record, this.#tokens());
    // After a failed write the folder may not have been synced, whatever this call asks for.
    const options = { durable: durable || secrets !== this.#sealedSecrets };
    return { secrets, written: vault.write(name, record, options).then(() => true) };
  }

  #tokens(): Pick<CredentialRecord, "tokens"> & { obtainedWith: string } {
    const { tokens, time, acquisition } = this.#options;
    return {
      tokens: tokens().flatMap((slot) => storedToken(slot, time) ?? []),
      obtainedWith: acquisition(),
    };
  }

  #onFailure({ secrets }: CredentialRecord, cause: string): void {
    const { name, time, log, onFailure, onAlarm } = this.#options;
    const now = time.now();
    const atRisk = secrets === this.#sealedSecrets ? "tokens" : "secrets";
    const message = `${name}: kept in memory only, as it could not be sealed; trying again: ${cause}`;
    this.retrySaveAt = now.boot + SAVE_RETRY_MS;
    this.#warning ??= new ThrottledWarning();
    const isReported = this.#warning.shouldReport({ atRisk, message }, now);
    if (isReported) log.error({ credential: name, atRisk }, message);
    onFailure(message, this.retrySaveAt);
    if (isReported) onAlarm("unsaved", message);
  }

  #onSealed(secrets: CredentialRecord["secrets"]): void {
    const { name, time, log, onAlarm } = this.#options;
    this.#sealedSecrets = secrets;
    const before = this.#warning?.clear();
    if (!before) return;
    const seconds = Math.round((time.now().wall - before.since) / 1_000);
    const message = `${name}: sealed again, after ${seconds} s in memory only`;
    log.info({ credential: name }, message);
    onAlarm("sealed", message);
  }

  /**
   * Retries a failed write that is due at `now` (boot time, ms). Last-use times are sealed now and then, or
   * a restart would take a token in use for an unused one.
   */
  retrySave(now: number): void {
    if (!this.record) return;
    if (this.retrySaveAt <= now) void this.save(this.record, true);
    else if (this.retrySaveAt === Number.POSITIVE_INFINITY) {
      if (this.#options.tokens().some(isLastUseUnsaved)) void this.save(this.record, false);
    }
  }
}

function errorCause(error: unknown): string {
  const isInTheWay = error instanceof AuthdError && error.reason === "credential_damaged";
  return isInTheWay
    ? `${error.message}. Moved away, it is written anew from what is in memory`
    : messageOf(error);
}

function malformed(credential: string, part: string): AuthdError {
  const message = `${credential}: its sealed record is malformed (${part}); enter its secrets again with: authd set ${credential}`;
  return new AuthdError("credential_damaged", message, { credential });
}

function isLastUseUnsaved({ issued, lastUsedAt, lastUsedSavedAt }: TokenSlot): boolean {
  return issued !== undefined && lastUsedAt - lastUsedSavedAt > LAST_USED_FLUSH_MS;
}

/** Returns a slot's token as it is sealed; undefined if it has none. */
function storedToken(
  { issued, target, lastUsedAt, key }: TokenSlot,
  time: Timekeeper,
): StoredToken | undefined {
  if (!issued) return undefined;
  const { token, accessToken, tokenType, scope, kept } = issued;
  const { lifetime, assumed, refreshIn, obtainedAt, bornAt, jitter, ageUncertain } = token;
  const now = time.now();
  const isUnused = lastUsedAt === Number.NEGATIVE_INFINITY;
  return {
    ...{ accessToken, tokenType, assumed, jitter },
    ...omitUndefined({ variant: key === "" ? undefined : target, scope, kept, refreshIn }),
    lifetime: Number.isFinite(lifetime) ? lifetime : null,
    // An uncertain age is read from the wall clock the next time, too.
    obtainedAt: { wall: obtainedAt, boot: bornAt, bootId: ageUncertain ? "" : time.bootId },
    askedAt: isUnused ? 0 : now.wall - (now.boot - lastUsedAt),
    ...(isUnused ? {} : { askedAtBoot: lastUsedAt }),
  };
}
