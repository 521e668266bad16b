/** Secrets that a person entered are tried beside those in force, and replace them once the issuer has taken them. */

import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { Credential } from "./credential.ts";
import type { CredentialDeps, RecordStore } from "./credential-deps.ts";
import type { Candidate, CredentialRecord } from "./record.ts";

/** The credential that has the candidate. */
export interface Holder {
  readonly name: string;
  readonly deps: CredentialDeps;
  record(): CredentialRecord | undefined;
  settings(): CredentialSettings;
  /** Seals the whole record; false if the disk fails. */
  save(record: CredentialRecord, durable: boolean): Promise<boolean>;
  /** A request of the trial has ended, and what it brought is sealed. */
  landed(): void;
  create(settings: CredentialSettings, around: CredentialDeps): Credential;
}

/**
 * The trial of a credential's candidate: a credential of its own that only its holder knows, with its
 * own tokens, failures and refusals. Its record is sealed inside of the holder's.
 */
export class CandidateTrial {
  readonly #holder: Holder;
  #credential: Credential | undefined;
  #of: Candidate | undefined;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** Undefined: nothing waits to be tried. */
  get credential(): Credential | undefined {
    return this.#credential;
  }

  /**
   * Begins, changes or ends the trial, as the holder's record and settings are now. `isOffered`: who has
   * entered the secrets asks for a token.
   */
  follow(isOffered: boolean): void {
    const { name, deps: around } = this.#holder;
    const candidate = this.#holder.record()?.candidate;
    if (!candidate) {
      this.end();
      return;
    }
    try {
      const { file } = candidate;
      const settings =
        file === undefined ? this.#holder.settings() : around.candidates.resolve(name, file);
      if (candidate === this.#of) this.#credential?.applySettings(settings);
      else this.#begin(candidate, settings, isOffered);
    } catch (error) {
      const failure =
        error instanceof AuthdError ? error : new AuthdError("internal", messageOf(error));
      this.#credential?.closeFile(failure);
      around.log.error({ credential: name }, `its new secrets can't be tried: ${failure.message}`);
    }
  }

  end(): void {
    this.#credential?.retire(superseded(this.#holder.name));
    this.#credential = undefined;
    this.#of = undefined;
  }

  #begin(candidate: Candidate, settings: CredentialSettings, isOffered: boolean): void {
    this.end();
    const { name, deps: around } = this.#holder;
    this.#of = candidate;
    this.#credential = this.#holder.create(settings, this.#surroundings(candidate));
    this.#credential.load();
    if (candidate.record.tokens.length > 0) around.candidates.worked(name);
    else if (!isOffered) this.#credential.begin();
  }

  /** What it obtains and fails at is told; its states are nobody's but its holder's. */
  #surroundings(candidate: Candidate): CredentialDeps {
    const { name, deps: around } = this.#holder;
    const own: CredentialDeps = {
      ...around,
      vault: this.#store(candidate),
      onEvent: (event) => {
        if (event.kind === "refreshed") around.candidates.worked(name);
        else if (event.kind === "refresh_failed") around.onEvent(event);
      },
    };
    // It comes when the daemon ends.
    return Object.defineProperty(own, "refusal", { get: () => around.refusal, enumerable: true });
  }

  #store(candidate: Candidate): RecordStore {
    const { name, deps: around } = this.#holder;
    return {
      get locked() {
        return around.vault.locked;
      },
      read: () => {
        const { locked } = around.vault;
        if (locked === undefined) return candidate.record;
        throw new AuthdError("vault_locked", locked, { credential: name });
      },
      write: async (_name, content, { durable }) => {
        const record = this.#holder.record();
        if (record?.candidate !== candidate) return;
        candidate.record = content;
        if (await this.#holder.save(record, durable)) return;
        throw new AuthdError("internal", "the disk does not take it", { credential: name });
      },
      release: async () => this.#holder.landed(),
    };
  }
}

function superseded(name: string): AuthdError {
  const message = `${name}: meanwhile other secrets were entered, or these were put in force`;
  return new AuthdError("cancelled", message, { credential: name });
}
