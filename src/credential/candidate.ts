/** Tries secrets that a person entered beside those in force, which they replace once the issuer has accepted them. */

import { omitUndefined } from "../base/omit-undefined.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { CredentialInfo } from "../protocol.ts";
import type { Credential } from "./credential.ts";
import type { CredentialDeps, RecordStore } from "./credential-deps.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Candidate, CredentialRecord } from "./record.ts";
import { replaceRecord } from "./record-changes.ts";

/** A candidate that has worked, and could not be put in force, is put in force again after this. */
const PROMOTE_RETRY_MS = 60_000;

/** The credential that has the candidate. */
export interface CandidateOwner {
  readonly name: string;
  readonly deps: CredentialDeps;
  record(): CredentialRecord | undefined;
  settings(): CredentialSettings;
  /** Seals the whole record; false if the disk fails. */
  save(record: CredentialRecord, durable: boolean): Promise<boolean>;
  /** Called when a request of the trial has ended, and what it brought is sealed. */
  onSettled(): void;
  create(settings: CredentialSettings, deps: CredentialDeps): Credential;
}

/**
 * The trial of a credential's candidate: a credential that only its owner knows, with its own tokens,
 * failures and refusals. Its record is sealed inside the owner's.
 */
export class CandidateTrial {
  readonly #owner: CandidateOwner;
  #credential: Credential | undefined;
  #candidate: Candidate | undefined;
  /** Boot time, ms. */
  #promoteRetryAt = Number.POSITIVE_INFINITY;

  constructor(owner: CandidateOwner) {
    this.#owner = owner;
  }

  /** The candidate as a credential; undefined if there is no candidate. */
  get credential(): Credential | undefined {
    return this.#credential;
  }

  /**
   * Begins, changes or ends the trial, according to the owner's record and settings. `isOffered`: the person
   * who entered the secrets asks for a token, so the trial does not.
   */
  follow(isOffered: boolean): void {
    const { name, deps } = this.#owner;
    const candidate = this.#owner.record()?.candidate;
    if (!candidate) {
      this.end();
      return;
    }
    try {
      const { file } = candidate;
      const settings =
        file === undefined ? this.#owner.settings() : deps.candidates.resolve(name, file);
      if (candidate === this.#candidate) this.#credential?.applySettings(settings);
      else this.#begin(candidate, settings, isOffered);
    } catch (error) {
      const failure =
        error instanceof AuthdError ? error : new AuthdError("internal", messageOf(error));
      this.#credential?.closeFile(failure);
      deps.log.error({ credential: name }, `its new secrets can't be tried: ${failure.message}`);
    }
  }

  end(): void {
    this.#credential?.detach(replaced(this.#owner.name));
    this.#credential = undefined;
    this.#candidate = undefined;
  }

  #begin(candidate: Candidate, settings: CredentialSettings, isOffered: boolean): void {
    this.end();
    const { name, deps } = this.#owner;
    this.#candidate = candidate;
    this.#credential = this.#owner.create(settings, this.#trialDeps(candidate));
    this.#credential.load();
    if (candidate.record.tokens.length > 0) deps.candidates.worked(name);
    else if (!isOffered) this.#credential.begin();
  }

  /** Returns deps that report the trial's tokens and failures, but not its states, which concern the owner alone. */
  #trialDeps(candidate: Candidate): CredentialDeps {
    const { name, deps } = this.#owner;
    const own: CredentialDeps = {
      ...deps,
      vault: this.#store(candidate),
      shared: undefined,
      onEvent: (event) => {
        if (event.kind === "refreshed") deps.candidates.worked(name);
        else if (event.kind === "refresh_failed") deps.onEvent(event);
      },
    };
    // A getter, as `refusal` is set later, when the daemon ends.
    return Object.defineProperty(own, "refusal", { get: () => deps.refusal, enumerable: true });
  }

  #store(candidate: Candidate): RecordStore {
    const { name, deps } = this.#owner;
    return {
      get locked() {
        return deps.vault.locked;
      },
      read: () => {
        const { locked } = deps.vault;
        if (locked === undefined) return candidate.record;
        throw new AuthdError("vault_locked", locked, { credential: name });
      },
      write: async (_name, content, { durable }) => {
        const record = this.#owner.record();
        if (record?.candidate !== candidate) return;
        candidate.record = content;
        if (await this.#owner.save(record, durable)) return;
        throw new AuthdError("internal", "the disk does not take it", { credential: name });
      },
      release: async () => this.#owner.onSettled(),
    };
  }

  // ---- the timer ----

  /** Schedules another promotion, as the disk failed, or the credential file could not be written. */
  promoteLater(): void {
    this.#promoteRetryAt = this.#owner.deps.time.now().boot + PROMOTE_RETRY_MS;
  }

  /** Returns the boot time at which the trial has something to do; Infinity if it has nothing. */
  nextDeadline(now: Moment): number {
    if (!this.#credential) return Number.POSITIVE_INFINITY;
    return Math.min(this.#credential.nextDeadline(now), this.#promoteRetryAt);
  }

  runDue(now: Moment, delay: () => number): void {
    if (!this.#credential) return;
    this.#credential.keepTrying(now);
    this.#credential.runDue(now, delay);
    if (this.#promoteRetryAt > now.boot) return;
    this.#promoteRetryAt = Number.POSITIVE_INFINITY;
    this.#owner.deps.candidates.worked(this.#owner.name);
  }
}

/** Puts the candidate in force, with its tokens; if it can't be sealed, nothing changes. */
export async function promoteCandidate(
  life: Lifecycle,
  trial: Credential,
  settings: CredentialSettings,
): Promise<void> {
  let next = trial.snapshot();
  const change = (record: CredentialRecord) => {
    // While this is being sealed, the trial may receive a new refresh token.
    if (trial.isReadable) next = trial.snapshot();
    replaceRecord(record, next);
  };
  await life.seal(change, () => life.adopt(settings, "restore"), settings);
  const { answer } = life.tokens.primary().issued ?? {};
  if (!answer) return;
  const { expiresAt } = answer;
  const tookMs = life.stored.record?.lastRefreshMs ?? 0;
  life.deps.onEvent({ kind: "refreshed", credential: life.name, expiresAt, tookMs });
}

/** Returns what people see of a candidate; `trial` is undefined if it can't be tried. */
export function candidateInfo(
  { enteredAt }: Candidate,
  trial: Credential | undefined,
): NonNullable<CredentialInfo["candidate"]> {
  const message = trial?.info().lastError?.message || undefined;
  return { enteredAt, state: trial?.state() ?? "damaged", ...omitUndefined({ message }) };
}

function replaced(name: string): AuthdError {
  const message = `${name}: meanwhile other secrets were entered, or these were put in force`;
  return new AuthdError("cancelled", message, { credential: name });
}
