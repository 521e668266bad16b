import { explainFileError } from "../base/file-error.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError, messageOf } from "../errors.ts";
import {
  headerPath,
  isRightKey,
  newHeader,
  readHeader,
  type VaultHeader,
  writeHeader,
} from "./header.ts";
import { keyProviders } from "./keys/index.ts";
import { type KeyContext, type KeyProvider, locked, type NewKey } from "./keys/key-source.ts";
import { sealedNames } from "./names.ts";
import { derive } from "./scrypt.ts";
import type { KeySource } from "./vault.ts";

/** The log of the vault; pino's logger fits. */
export interface VaultLog {
  info(message: string): void;
  warn(message: string): void;
}

export interface OpenKey {
  header: VaultHeader;
  key: Buffer;
}

/**
 * Returns the key of the vault in `context.dir`, or a new one if there is no vault yet. `known` is the
 * header of a vault that was open before in this process: vault.json is not read again then. Rejects with
 * AuthdError `vault_locked` if the key is not available, `invalid_params` if the vault's is another source.
 */
export async function findKey(
  wanted: KeySource | "auto",
  context: KeyContext,
  log: VaultLog,
  known?: VaultHeader,
): Promise<OpenKey> {
  const header = known ?? readHeader(context.dir);
  if (header) {
    refuseOther(wanted, header.keySource, context.dir);
    return { header, key: await loadKey(header, context) };
  }
  if (sealedNames(context.dir).length > 0) {
    throw locked(
      `${context.dir} holds sealed files, but no vault.json that says which key opens them. Put it ` +
        "back from a backup, or move the sealed files away to begin a new vault",
    );
  }
  return createKey(wanted, context, log);
}

/** Throws AuthdError `invalid_params` if another key source is wanted than the existing vault's, which it keeps. */
export function refuseOther(wanted: KeySource | "auto", actual: KeySource, dir: string): void {
  if (wanted === "auto" || wanted === actual) return;
  throw new AuthdError(
    "invalid_params",
    `The vault ${dir} is sealed with a key from ${actual}, but ${wanted} is asked for. ` +
      `Set vault_key (or AUTHD_VAULT_KEY) to ${actual} or auto: an existing vault keeps its key`,
  );
}

/** True if `passphrase` makes the key of the vault that has this header. */
export async function isPassphraseOf(header: VaultHeader, passphrase: string): Promise<boolean> {
  if (header.keySource !== "passphrase" || !header.scrypt) return false;
  const key = await derive(passphrase, header.scrypt);
  const isRight = isRightKey(header, key);
  key.fill(0);
  return isRight;
}

async function loadKey(header: VaultHeader, context: KeyContext): Promise<Buffer> {
  const provider: KeyProvider = keyProviders[header.keySource];
  const isCurrentKey = (candidate: Buffer) => isRightKey(header, candidate);
  const key = await provider.load({ ...context, keyId: header.keyId, isCurrentKey }, header.scrypt);
  if (isRightKey(header, key)) return key;
  key.fill(0);
  throw locked(
    header.keySource === "passphrase"
      ? "The passphrase is wrong. Nothing was changed; try again"
      : `The key from ${header.keySource} is not the one that the vault ${context.dir} was sealed ` +
          `with (key id ${header.keyId}). Put the right one back`,
  );
}

async function createKey(
  wanted: KeySource | "auto",
  context: KeyContext,
  log: VaultLog,
): Promise<OpenKey> {
  const { source, key, scrypt } =
    wanted === "auto" ? await createAnywhere(context, log) : await createFrom(wanted, context);
  const header = newHeader(key, omitUndefined({ keyId: context.keyId, keySource: source, scrypt }));
  // The key comes first, then this file, then anything sealed: cut off in between, nothing is lost.
  await writeHeader(context.dir, header).catch((cause) => {
    key.fill(0);
    throw locked(`${headerPath(context.dir)} can't be written: ${explainFileError(cause)}`, cause);
  });
  log.info(`New vault in ${context.dir}; the source of its key is: ${source}`);
  return { header, key };
}

export async function createFrom(
  source: KeySource,
  context: KeyContext,
): Promise<NewKey & { source: KeySource }> {
  const provider: KeyProvider = keyProviders[source];
  return { source, ...(await provider.create(context)) };
}

async function createAnywhere(context: KeyContext, log: VaultLog) {
  try {
    return await createFrom("keychain", context);
  } catch (error) {
    log.warn(`The new vault's key goes into a file beside it. ${messageOf(error)}`);
    return createFrom("file", context);
  }
}
