import type { Log } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import { configDir, loadDaemonSettings } from "../config/config.ts";
import { AuthdError } from "../errors.ts";
import {
  type ExportResult,
  type ImportResult,
  MAX_CHUNK_BYTES,
  type ParamsOf,
  type RekeyResult,
} from "../protocol.ts";
import type { Call, ConnectionHandle } from "../rpc/call.ts";
import { openExport } from "../vault/index.ts";
import { assertNewPassphrase, type BackupContext } from "./backup-context.ts";
import type { Consent } from "./consent.ts";
import { Uploads } from "./uploads.ts";
import { sealAll } from "./vault-export.ts";
import { importAll, resumeImport } from "./vault-import.ts";

export interface BackupOptions extends Omit<BackupContext, "dir"> {
  log: Log;
}

/** Exports all credentials to one sealed file, imports such a file, and seals the vault with another key. */
export class Backup {
  readonly #context: BackupContext;
  readonly #log: Log;
  readonly #uploads = new Uploads();
  readonly #opening = new Turns();

  constructor({ log, ...options }: BackupOptions) {
    this.#log = log;
    this.#context = { ...options, dir: configDir(options.env) };
  }

  async export(
    { passphrase }: ParamsOf<"vault/export">,
    call: Call,
    ask: Consent,
  ): Promise<ExportResult> {
    const { admin } = this.#context;
    assertNewPassphrase(passphrase);
    const { sealed, ...result } = await admin.changes.runWithConsent(ask, (needs) =>
      sealAll(this.#context, passphrase, needs),
    );
    this.#log.info({ credentials: result.credentials.length }, "all credentials were exported");
    for (let from = 0; from < sealed.length; from += MAX_CHUNK_BYTES) {
      const data = sealed.subarray(from, from + MAX_CHUNK_BYTES).toString("base64");
      await call.notify("vault/chunk", { id: call.id, data });
    }
    return { bytes: sealed.length, ...result };
  }

  upload({ data }: ParamsOf<"vault/upload">, connection: ConnectionHandle) {
    return { received: this.#uploads.add(connection, Buffer.from(data, "base64")) };
  }

  async import(
    { passphrase, replace = false, only }: ParamsOf<"vault/import">,
    connection: ConnectionHandle,
    ask: Consent,
  ): Promise<ImportResult> {
    const { changes } = this.#context.admin;
    const file = this.#uploads.concat(connection);
    if (!file) throw new AuthdError("invalid_params", "Send the export first, with vault/upload.");
    // Deriving a key takes long: it has a queue of its own, so that changes and a lock do not wait.
    const { plaintext } = await this.#opening.run(async () => {
      changes.assertOpen();
      return await openExport(passphrase, file);
    });
    const result = await changes
      .runWithConsent(ask, (needs) => importAll(this.#context, plaintext, { replace, only }, needs))
      .finally(() => plaintext.fill(0));
    this.#uploads.drop(connection);
    this.#log.info({ credentials: result.imported.length }, "credentials were imported");
    return result;
  }

  /** Completes an import that was cut off: see `resumeImport`. */
  async resume(): Promise<void> {
    await resumeImport(this.#context);
  }

  /** Seals the vault with a new key. */
  async rekey({ to, passphrase }: ParamsOf<"vault/rekey">, ask: Consent): Promise<RekeyResult> {
    const { admin, registry, vault, env, dir } = this.#context;
    if (to === "passphrase") assertNewPassphrase(passphrase);
    return await admin.changes.runWithConsent(ask, async (needs) => {
      admin.changes.assertOpen();
      needs(registry.anyGuarded());
      const { vaultKey } = loadDaemonSettings({ dir, env });
      if (vaultKey !== "auto" && vaultKey !== to) throw wouldNotStart(vaultKey, to);
      const { sealed, damaged } = await vault.rekey(to, passphrase);
      this.#log.info({ sealed }, `the vault has a new key; its source is: ${to}`);
      return { vaultKey: vault.keySource, sealed, damaged };
    });
  }
}

function wouldNotStart(vaultKey: string, to: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `vault_key in config.toml, or AUTHD_VAULT_KEY where the daemon was started, says ${vaultKey}: authd would ` +
      `not start again with a key from ${to}. Set it to auto first (and restart authd, if it was AUTHD_VAULT_KEY)`,
  );
}
