/** Seals all credentials into one file. */
import { setTimeout as sleep } from "node:timers/promises";
import { credentialFileAsItIs } from "../config/config.ts";
import { type CredentialRecord, isGuarded } from "../credential/record.ts";
import { messageOf } from "../errors.ts";
import type { ExportResult, VaultProblem } from "../protocol.ts";
import { sealExport } from "../vault/index.ts";
import { allNames, type BackupContext, rotatingOf } from "./backup-context.ts";
import type { Needs } from "./consent.ts";
import type { ExportedCredential } from "./export-format.ts";
import { MAX_UPLOAD_BYTES } from "./uploads.ts";

/** Time (ms) that an export waits for token requests, so that their results are in it. */
const PENDING_REFRESH_TIMEOUT_MS = 5_000;

type SealedExport = Omit<ExportResult, "bytes"> & { sealed: Buffer };

/** Seals all credentials with a passphrase. Runs in a turn. */
export async function sealAll(
  context: BackupContext,
  passphrase: string,
  needs: Needs,
): Promise<SealedExport> {
  const { registry, admin } = context;
  admin.changes.assertOpen();
  needs(registry.anyGuarded());
  const problems: VaultProblem[] = [];
  const credentials: ExportedCredential[] = [];
  const deadlineMs = performance.now() + PENDING_REFRESH_TIMEOUT_MS;
  for (const name of allNames(context)) {
    const exported = await exportedOf(context, name, deadlineMs, problems);
    if (exported.file !== undefined || exported.record) credentials.push(exported);
  }
  const restricted = credentials.find(({ record }) => record && isGuarded(record));
  needs(registry.anyGuarded() ?? restricted?.name);
  const { serializeExport } = await import("./export-format.ts");
  const plaintext = serializeExport(credentials, MAX_UPLOAD_BYTES);
  const about = { created: new Date().toISOString(), credentials: credentials.length };
  const sealed = await sealExport(passphrase, about, plaintext);
  plaintext.fill(0);
  const names = credentials.map(({ name }) => name);
  return { sealed, credentials: names, rotating: rotatingOf(context, names), problems };
}

/** Collects what there is of one credential; adds what can't be read to `problems`. */
async function exportedOf(
  context: BackupContext,
  name: string,
  deadlineMs: number,
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
    const file = credentialFileAsItIs(context.dir, name);
    if (file !== undefined) exported.file = file;
  });
  await attempt(async () => {
    const record = await recordOf(context, name, deadlineMs);
    if (record) exported.record = record;
  });
  return exported;
}

/** Returns the record from memory, where it may be newer than on the disk; else from the vault. */
async function recordOf(
  { registry, vault, admin }: BackupContext,
  name: string,
  deadlineMs: number,
): Promise<CredentialRecord | undefined> {
  if (!registry.hasLoaded(name)) return vault.names().includes(name) ? vault.read(name) : undefined;
  const credential = registry.get(name);
  while (credential.pendingRefreshes > 0 && performance.now() < deadlineMs) {
    await sleep(20);
    admin.changes.assertOpen();
  }
  return credential.snapshot();
}
