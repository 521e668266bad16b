import type { Log } from "../base/log.ts";
import {
  credentialFile,
  credentialFileAsItIs,
  removeCredentialFile,
  writeCredentialFile,
} from "../config/config.ts";
import type { Configuration } from "../config/settings.ts";
import type { CredentialRecord } from "../credential/record.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { ManagedVault } from "../vault/vault.ts";
import type { ExportedCredential } from "./export-format.ts";

export interface ImportJournalOptions {
  /** The configuration folder. */
  dir: string;
  vault: ManagedVault<CredentialRecord>;
  log: Log;
}

/**
 * Puts credentials in place, all of them or none, also if the daemon is killed: a write-ahead journal.
 * The whole import is sealed first, and is committed from then on. After a crash the next daemon does
 * it again from the beginning. So nothing of it may be used before all of it is in place: a refresh
 * token that rotated meanwhile would be overwritten with the one before.
 */
export class ImportJournal {
  readonly #options: ImportJournalOptions;

  constructor(options: ImportJournalOptions) {
    this.#options = options;
  }

  /** True if an import was begun and is not completed, or can't be read. False while the vault is locked. */
  isPending(): boolean {
    return this.pendingNames !== undefined;
  }

  /**
   * Names in an import that was begun and is not completed; none if it can't be read. Undefined without
   * such an import, or while the vault is locked.
   */
  get pendingNames(): string[] | undefined {
    if (this.#options.vault.locked !== undefined) return undefined;
    try {
      return this.#begun()?.map(({ name }) => name);
    } catch {
      return [];
    }
  }

  #begun(): readonly ExportedCredential[] | undefined {
    const intent = this.#options.vault.journal.read() as
      | { credentials: ExportedCredential[] }
      | undefined;
    return intent?.credentials;
  }

  /**
   * Imports credentials. `onBegun` is called once the journal is sealed. If it rejects and `isPending` is
   * false, nothing was imported; if it is true, the import goes on later.
   */
  async commit(credentials: readonly ExportedCredential[], onBegun: () => void): Promise<void> {
    const { vault, dir } = this.#options;
    const before = credentials.map(({ name }) => [name, credentialFileAsItIs(dir, name)] as const);
    await vault.journal.write({ credentials });
    onBegun();
    try {
      await this.#writeFiles(credentials);
    } catch (error) {
      for (const [name, text] of before) this.#putBack(name, text);
      await vault.journal.remove();
      throw error;
    }
    await this.#complete(credentials);
  }

  /** Completes a pending import, then reads the configuration. If that fails, its credentials become errors. */
  async configuration(read: () => Configuration): Promise<Configuration> {
    const { vault, log, dir } = this.#options;
    if (vault.locked !== undefined) return read();
    let pending: readonly ExportedCredential[] = [];
    let why = "";
    try {
      const begun = this.#begun();
      if (!begun) return read();
      pending = begun;
      await this.#writeFiles(pending);
      await this.#complete(pending);
      log.info({ credentials: pending.length }, "an import that was cut off is completed");
      pending = [];
    } catch (error) {
      why = messageOf(error);
      log.error({}, `an import was cut off, and can't be completed yet: ${why}`);
    }
    return withErrors(pending, why, read(), dir);
  }

  async #writeFiles(credentials: readonly ExportedCredential[]): Promise<void> {
    const { dir } = this.#options;
    for (const { name, file } of credentials) {
      if (file !== undefined) writeCredentialFile(dir, name, file);
      // Each write waits for the disk: clients are served in between.
      await new Promise((resume) => setImmediate(resume));
    }
  }

  async #complete(credentials: readonly ExportedCredential[]): Promise<void> {
    const { vault } = this.#options;
    const options = { durable: true, replaceDamaged: true, isChange: true };
    const writes = credentials.map(({ name, record }) =>
      record === undefined ? undefined : vault.write(name, record, options),
    );
    const failed = (await Promise.allSettled(writes)).find(({ status }) => status === "rejected");
    if (failed) throw unfinished((failed as PromiseRejectedResult).reason);
    await vault.journal.remove();
  }

  #putBack(name: string, text: string | undefined): void {
    const { dir, log } = this.#options;
    try {
      if (text === undefined) removeCredentialFile(dir, name);
      else writeCredentialFile(dir, name, text);
    } catch (error) {
      log.error({ credential: name }, messageOf(error));
    }
  }
}

/** Replaces the pending credentials of a configuration by errors. */
function withErrors(
  pending: readonly ExportedCredential[],
  why: string,
  configuration: Configuration,
  dir: string,
): Configuration {
  if (pending.length === 0) return configuration;
  const names = new Set(pending.map(({ name }) => name));
  const errors = [...names].map((name) => ({
    file: credentialFile(dir, name),
    credential: name,
    message: `Its import is not completed: ${why}.`,
  }));
  return {
    ...configuration,
    credentials: new Map([...configuration.credentials].filter(([name]) => !names.has(name))),
    errors: [
      ...configuration.errors.filter(({ credential }) => !names.has(credential ?? "")),
      ...errors,
    ],
  };
}

function unfinished(cause: unknown): AuthdError {
  return new AuthdError(
    "internal",
    `The import is begun, but not completed: ${messageOf(cause)}. It goes on with authd reload, or when authd is restarted`,
    { cause },
  );
}
