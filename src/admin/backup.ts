import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../base/log.ts";
import { didYouMean } from "../base/suggest.ts";
import { Turns } from "../base/turns.ts";
import {
  configDir,
  credentialFileAsItIs,
  credentialFileNames,
  loadDaemonSettings,
} from "../config/config.ts";
import { type CredentialRecord, isGuarded } from "../credential/record.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError, messageOf } from "../errors.ts";
import {
  type ExportResult,
  type ImportResult,
  MAX_CHUNK_BYTES,
  type ParamsOf,
  type RekeyResult,
  type VaultProblem,
} from "../protocol.ts";
import type { Call, ConnectionHandle } from "../rpc/server.ts";
import { openExport, sealExport } from "../vault/index.ts";
import type { ManagedVault } from "../vault/vault.ts";
import type { Admin } from "./admin.ts";
import type { Consent, Needs } from "./consent.ts";
import type { ExportedCredential } from "./export-format.ts";
import type { ImportJournal } from "./import-journal.ts";
import { MAX_UPLOAD_BYTES, Uploads } from "./uploads.ts";

/** How long (ms) an export waits for token requests to end: what they bring is to be in it. */
const QUIET = 5_000;

export interface BackupOptions {
  env: NodeJS.ProcessEnv;
  admin: Pick<Admin, "inTurn" | "withConsent" | "reloadNow">;
  importJournal: ImportJournal;
  registry: Registry;
  vault: ManagedVault<CredentialRecord>;
  log: Log;
  /** Throws AuthdError `vault_locked` while the vault is locked, or just being locked. */
  assertOpen: () => void;
}

/** All credentials out to one sealed file and in from one, and the vault's way to another key. */
export class Backup {
  readonly #options: BackupOptions;
  readonly #uploads = new Uploads();
  readonly #opening = new Turns();
  readonly #dir: string;

  constructor(options: BackupOptions) {
    this.#options = options;
    this.#dir = configDir(options.env);
  }

  // ---- out ----

  async export(
    { passphrase }: ParamsOf<"vault/export">,
    call: Call,
    ask: Consent,
  ): Promise<ExportResult> {
    const { admin, log } = this.#options;
    assertPassphrase(passphrase);
    const { sealed, ...result } = await admin.withConsent(ask, (needs) =>
      this.#sealAll(passphrase, needs),
    );
    log.info({ credentials: result.credentials.length }, "all credentials were exported");
    for (let from = 0; from < sealed.length; from += MAX_CHUNK_BYTES) {
      const data = sealed.subarray(from, from + MAX_CHUNK_BYTES).toString("base64");
      await call.notify("vault/chunk", { id: call.id, data });
    }
    return { bytes: sealed.length, ...result };
  }

  async #sealAll(passphrase: string, needs: Needs) {
    this.#assertOpen();
    needs(this.#options.registry.anyGuarded());
    const problems: VaultProblem[] = [];
    const credentials: ExportedCredential[] = [];
    const deadline = performance.now() + QUIET;
    for (const name of this.#names()) {
      const exported = await this.#portable(name, deadline, problems);
      if (exported.file !== undefined || exported.record) credentials.push(exported);
    }
    const { registry } = this.#options;
    needs(
      registry.anyGuarded() ?? credentials.find(({ record }) => record && isGuarded(record))?.name,
    );
    const { serializeExport } = await import("./export-format.ts");
    const plaintext = serializeExport(credentials, MAX_UPLOAD_BYTES);
    const about = { created: new Date().toISOString(), credentials: credentials.length };
    const sealed = await sealExport(passphrase, about, plaintext);
    plaintext.fill(0);
    const names = credentials.map(({ name }) => name);
    return { sealed, credentials: names, rotating: this.#rotating(names), problems };
  }

  /** Those without a file, or without anything sealed, and those that can't be used, too. */
  #names(): string[] {
    const { registry, vault } = this.#options;
    const known = registry.infos().map(({ name }) => name);
    return [...new Set([...known, ...vault.names(), ...credentialFileNames(this.#dir)])].sort();
  }

  async #portable(
    name: string,
    deadline: number,
    problems: VaultProblem[],
  ): Promise<ExportedCredential> {
    const exported: ExportedCredential = { name };
    const attempt = async (work: () => void | Promise<void>) => {
      try {
        await work();
      } catch (error) {
        problems.push({ credential: name, message: messageOf(error) });
      }
    };
    await attempt(() => {
      const file = credentialFileAsItIs(this.#dir, name);
      if (file !== undefined) exported.file = file;
    });
    await attempt(async () => {
      const record = await this.#recordOf(name, deadline);
      if (record) exported.record = record;
    });
    return exported;
  }

  /** From memory, where it may be newer than what could be sealed. */
  async #recordOf(name: string, deadline: number): Promise<CredentialRecord | undefined> {
    const { registry, vault } = this.#options;
    if (!registry.hasLoaded(name))
      return vault.names().includes(name) ? vault.read(name) : undefined;
    const credential = registry.get(name);
    while (credential.pendingRefreshes > 0 && performance.now() < deadline) {
      await sleep(20);
      this.#assertOpen();
    }
    return credential.snapshot();
  }

  // ---- in ----

  upload({ data }: ParamsOf<"vault/upload">, connection: ConnectionHandle) {
    return { received: this.#uploads.add(connection, Buffer.from(data, "base64")) };
  }

  async import(
    { passphrase, replace = false, only }: ParamsOf<"vault/import">,
    connection: ConnectionHandle,
    ask: Consent,
  ): Promise<ImportResult> {
    const { admin, log } = this.#options;
    const file = this.#uploads.whole(connection);
    if (!file) throw new AuthdError("invalid_params", "Send the export first, with vault/upload.");
    // Its own queue: a change, or a lock, need not wait until a passphrase has become a key.
    const { plaintext } = await this.#opening.run(async () => {
      this.#assertOpen();
      return await openExport(passphrase, file);
    });
    const result = await admin
      .withConsent(ask, (needs) => this.#importAll(plaintext, { replace, only }, needs))
      .finally(() => plaintext.fill(0));
    this.#uploads.drop(connection);
    log.info({ credentials: result.imported.length }, "credentials were imported");
    return result;
  }

  async #importAll(
    plaintext: Buffer,
    { replace, only }: { replace: boolean; only: readonly string[] | undefined },
    needs: Needs,
  ): Promise<ImportResult> {
    this.#assertOpen();
    await this.#assertReady();
    const { parseExport } = await import("./export-format.ts");
    const credentials = selected(parseExport(plaintext), only);
    const replaced = this.#existing(credentials);
    if (replaced.length > 0 && !replace) throw alreadyThere(replaced);
    needs(...replaced.filter((name) => this.#options.registry.isGuarded(name)));
    await this.#putInPlace(credentials);
    const imported = credentials.map(({ name }) => name);
    const problems = this.#problemsOf(imported);
    return { imported, replaced, rotating: this.#rotating(imported), problems };
  }

  /** Throws AuthdError if what is imported could not be used then. */
  async #assertReady(): Promise<void> {
    const { env, admin, importJournal: imports } = this.#options;
    loadDaemonSettings({ dir: this.#dir, env });
    if (imports.isPending()) await admin.reloadNow();
    if (!imports.isPending()) return;
    throw new AuthdError(
      "internal",
      "Another import is not completed yet: authd reload says why. Nothing was changed",
    );
  }

  #existing(credentials: readonly ExportedCredential[]): string[] {
    const existing = new Set(this.#names());
    const { vault } = this.#options;
    const names = credentials.map(({ name }) => name);
    return names.filter((name) => existing.has(name) || vault.knows(name));
  }

  async #putInPlace(credentials: readonly ExportedCredential[]): Promise<void> {
    const { importJournal: imports, registry } = this.#options;
    const bringBack: (() => void)[] = [];
    const retire = () => {
      for (const { name } of credentials) {
        registry.dropOrphaned(name);
        if (registry.hasLoaded(name))
          bringBack.push(registry.get(name).detach(beingReplaced(name)));
      }
    };
    const names = credentials.map(({ name }) => name);
    try {
      await imports.commit(credentials, retire);
    } catch (error) {
      if (imports.isPending()) await this.#takeOver(names);
      else for (const back of bringBack) back();
      throw error;
    }
    await this.#takeOver(names);
  }

  /**
   * The vault was opened, and nothing was read yet: completes an import that was cut off. Until that
   * is done, what it brings can't be used.
   */
  async resume(): Promise<void> {
    const { importJournal: imports, admin } = this.#options;
    const { waiting } = imports;
    if (waiting) await admin.inTurn(() => this.#takeOver(waiting));
  }

  /** Nothing of what there was by these names is used any more. */
  async #takeOver(names: readonly string[]): Promise<void> {
    const { registry, admin } = this.#options;
    for (const name of names) registry.delete(name);
    await admin.reloadNow();
  }

  #problemsOf(names: readonly string[]): VaultProblem[] {
    const { registry } = this.#options;
    return names.flatMap((name) => {
      if (!registry.hasAny(name)) return [];
      const { state, lastError } = registry.info(name);
      const works = !["changed", "damaged", "login_required", "rejected", "locked"].includes(state);
      return works ? [] : [{ credential: name, message: lastError?.message ?? state }];
    });
  }

  #rotating(names: readonly string[]): string[] {
    const { registry } = this.#options;
    return names.filter(
      (name) => registry.hasLoaded(name) && registry.get(name).rotates !== undefined,
    );
  }

  // ---- another key ----

  async rekey({ to, passphrase }: ParamsOf<"vault/rekey">, ask: Consent): Promise<RekeyResult> {
    const { admin, registry, vault, env, log } = this.#options;
    if (to === "passphrase") assertPassphrase(passphrase);
    return await admin.withConsent(ask, async (needs) => {
      this.#assertOpen();
      needs(registry.anyGuarded());
      const { vaultKey } = loadDaemonSettings({ dir: this.#dir, env });
      if (vaultKey !== "auto" && vaultKey !== to) throw wouldNotStart(vaultKey, to);
      const { sealed, damaged } = await vault.rekey(to, passphrase);
      log.info({ sealed }, `the vault has a new key; its source is: ${to}`);
      return { vaultKey: vault.keySource, sealed, damaged };
    });
  }

  #assertOpen(): void {
    this.#options.assertOpen();
  }
}

function selected(
  credentials: ExportedCredential[],
  only: readonly string[] | undefined,
): ExportedCredential[] {
  if (!only) return credentials;
  const names = credentials.map(({ name }) => name);
  const missing = only.find((name) => !names.includes(name));
  if (missing === undefined) return credentials.filter(({ name }) => only.includes(name));
  throw new AuthdError(
    "invalid_params",
    `The export has no credential "${missing.slice(0, 64)}".${didYouMean(missing, names)} Nothing was changed`,
  );
}

function assertPassphrase(passphrase: string | undefined): asserts passphrase is string {
  if (passphrase) return;
  throw new AuthdError("invalid_params", "A passphrase is needed, and it must not be empty.");
}

function alreadyThere(names: readonly string[]): AuthdError {
  const shown = names.slice(0, 10).join(", ") + (names.length > 10 ? ", …" : "");
  return new AuthdError(
    "invalid_params",
    `There are credentials of these names: ${shown}. Give --replace to replace them, or --only NAME… for others. Nothing was changed`,
  );
}

function beingReplaced(name: string): AuthdError {
  return new AuthdError("too_busy", `${name}: it is just being replaced; try again`, {
    credential: name,
    retryAfterMs: 1_000,
  });
}

function wouldNotStart(vaultKey: string, to: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `vault_key in config.toml, or AUTHD_VAULT_KEY where the daemon was started, says ${vaultKey}: authd would ` +
      `not start again with a key from ${to}. Set it to auto first (and restart authd, if it was AUTHD_VAULT_KEY)`,
  );
}
