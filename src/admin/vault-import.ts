/** Puts the credentials of an export in place. */
import { didYouMean } from "../base/suggest.ts";
import { loadDaemonSettings } from "../config/config.ts";
import { AuthdError } from "../errors.ts";
import type { ImportResult, VaultProblem } from "../protocol.ts";
import { allNames, type BackupContext, rotatingOf } from "./backup-context.ts";
import { ifRestricted, type Needs } from "./consent.ts";
import type { ExportedCredential } from "./export-format.ts";

interface ImportOptions {
  replace: boolean;
  /** Names to import; undefined: all. */
  only: readonly string[] | undefined;
}

/** Imports the opened content of an export, all of it or nothing. Runs in a turn. */
export async function importAll(
  context: BackupContext,
  plaintext: Buffer,
  { replace, only }: ImportOptions,
  needs: Needs,
): Promise<ImportResult> {
  const { admin, registry } = context;
  admin.changes.assertOpen();
  await assertReady(context);
  const { parseExport } = await import("./export-format.ts");
  const credentials = selected(parseExport(plaintext), only);
  const imported = credentials.map(({ name }) => name);
  const replaced = existingOf(context, imported);
  if (replaced.length > 0 && !replace) throw alreadyThere(replaced);
  for (const name of replaced) needs(ifRestricted(registry, name));
  await putInPlace(context, credentials);
  const problems = problemsOf(context, imported);
  return { imported, replaced, rotating: rotatingOf(context, imported), problems };
}

/**
 * Completes an import that was cut off; its credentials can't be used before. Called when the vault was
 * opened, and nothing was read yet.
 */
export async function resumeImport(context: BackupContext): Promise<void> {
  const { importJournal, admin } = context;
  const names = importJournal.pendingNames;
  if (names) await admin.changes.run(() => loadAgain(context, names));
}

/** Rejects with AuthdError if what is imported could not be used after it. */
async function assertReady({ env, dir, admin, importJournal }: BackupContext): Promise<void> {
  loadDaemonSettings({ dir, env });
  if (importJournal.isPending()) await admin.reloader.reload();
  if (!importJournal.isPending()) return;
  throw new AuthdError(
    "internal",
    "Another import is not completed yet: authd reload says why. Nothing was changed",
  );
}

function existingOf(context: BackupContext, names: readonly string[]): string[] {
  const existing = new Set(allNames(context));
  return names.filter((name) => existing.has(name) || context.vault.knows(name));
}

async function putInPlace(
  context: BackupContext,
  credentials: readonly ExportedCredential[],
): Promise<void> {
  const { importJournal, registry } = context;
  const names = credentials.map(({ name }) => name);
  const undo: (() => void)[] = [];
  const detachAll = () => {
    for (const name of names) {
      registry.dropOrphaned(name);
      if (registry.hasLoaded(name)) undo.push(registry.get(name).detach(beingReplaced(name)));
    }
  };
  try {
    await importJournal.commit(credentials, detachAll);
  } catch (error) {
    if (importJournal.isPending()) await loadAgain(context, names);
    else for (const back of undo) back();
    throw error;
  }
  await loadAgain(context, names);
}

/** Drops what is in memory by these names, and reads the configuration again. */
async function loadAgain(
  { registry, admin }: BackupContext,
  names: readonly string[],
): Promise<void> {
  for (const name of names) registry.delete(name);
  await admin.reloader.reload();
}

function problemsOf({ registry }: BackupContext, names: readonly string[]): VaultProblem[] {
  return names.flatMap((name) => {
    if (!registry.hasAny(name)) return [];
    const { state, lastError } = registry.info(name);
    const works = !["changed", "damaged", "login_required", "rejected", "locked"].includes(state);
    return works ? [] : [{ credential: name, message: lastError?.message ?? state }];
  });
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
