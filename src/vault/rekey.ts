/**
 * A vault's way from one key to another. Everything is sealed anew in a folder beside the sealed
 * files; renaming that folder is the instant at which the new key counts:
 *
 *     rekey.staged/     not yet: if the daemon is killed, the next one removes it
 *     rekey.committed/  from now on: what is in it is moved into place, by the next daemon if need be
 *
 * Moving takes no key, and may be cut off and begun again. The old key is removed at the very last.
 */

import { existsSync, readdirSync, renameSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncFolder, syncFolderNow } from "../base/atomic-write.ts";
import { explainFileError } from "../base/file-error.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import { headerPath, isRightKey, newHeader, type VaultHeader } from "./header.ts";
import { keyProviders } from "./keys/index.ts";
import type { KeyContext, KeyProvider } from "./keys/key-source.ts";
import { MANIFEST, type Manifest } from "./manifest.ts";
import { sealedPath } from "./names.ts";
import { generationOf, isNewer, MAX_FILE_BYTES, seal, unseal } from "./sealed-file.ts";
import type { KeySource } from "./vault.ts";
import { createFrom, type OpenKey, type VaultLog } from "./vault-key.ts";

const STAGED = "rekey.staged";
const COMMITTED = "rekey.committed";
const NOTE = "note.json";

interface KeyName {
  keySource: KeySource;
  keyId: string;
}

/** Which key is to go: `from` once the rekey is committed, `to` if it never was. */
interface Note {
  from: KeyName;
  to: KeyName;
}

/** All that is sealed, on its way to another key; the vault itself is as it was until `commit`. */
export class RekeyTransaction {
  /** Could not be opened, or are older copies: they stay as they are. */
  readonly damaged = new Set<string>();
  readonly #dir: string;
  readonly #folder: string;
  readonly #old: OpenKey;
  readonly #next: OpenKey;
  readonly #manifest: Manifest;

  /** Makes the new key. Rejects with an AuthdError, and leaves nothing behind but what `tidy` removes. */
  static async begin(
    old: OpenKey,
    to: KeySource,
    context: KeyContext,
    manifest: Manifest,
  ): Promise<RekeyTransaction> {
    const { dir, keyId } = context;
    const folder = join(dir, STAGED);
    if (existsSync(join(dir, COMMITTED))) throw notTidy(dir);
    const note: Note = {
      from: { keySource: old.header.keySource, keyId: old.header.keyId },
      to: { keySource: to, keyId },
    };
    await mkdir(folder, { mode: 0o700 });
    // Before the key: nobody would know of a keychain's entry otherwise.
    await replaceFile(join(folder, NOTE), Buffer.from(JSON.stringify(note)), { sync: "folder" });
    await syncFolder(dir);
    const fits = (key: Buffer) => isRightKey(old.header, key);
    const { key, scrypt } = await createFrom(to, { ...context, dir: folder, fits });
    if (fits(key)) {
      key.fill(0);
      throw theSameKey(to);
    }
    const header = newHeader(key, { keyId, keySource: to, ...(scrypt ? { scrypt } : {}) });
    return new RekeyTransaction(dir, old, { header, key }, manifest);
  }

  private constructor(dir: string, old: OpenKey, next: OpenKey, manifest: Manifest) {
    this.#dir = dir;
    this.#folder = join(dir, STAGED);
    this.#old = old;
    this.#next = next;
    this.#manifest = manifest;
  }

  /** Seals NAME anew, as its file is now; again, if that has changed. */
  async stage(name: string): Promise<void> {
    const staged = sealedPath(this.#folder, name);
    const opened = this.#open(name);
    if (!opened) return await rm(staged, { force: true });
    const { plaintext, generation } = opened;
    const file = seal(this.#next.key, this.#next.header.keyId, name, plaintext, generation);
    plaintext.fill(0);
    await replaceFile(staged, file, { sync: "content" });
  }

  #open(name: string): { plaintext: Buffer; generation: number } | undefined {
    this.damaged.delete(name);
    const path = sealedPath(this.#dir, name);
    let file: Buffer;
    try {
      file = readRegularFile(path, MAX_FILE_BYTES);
    } catch (cause) {
      if (errorCode(cause) === "ENOENT") return undefined;
      throw rekeyError(`${path} can't be read: ${explainFileError(cause)}`, cause);
    }
    // It may be sound, and its key is about to go.
    if (isNewer(file))
      throw rekeyError(`"${name}" was sealed by a newer authd. Update authd first`);
    try {
      const plaintext = unseal(this.#old.key, this.#old.header.keyId, name, file);
      const generation = generationOf(file);
      if (generation >= this.#manifest.generationOf(name)) return { plaintext, generation };
      plaintext.fill(0);
    } catch {
      // It stays as it is.
    }
    this.damaged.add(name);
    return undefined;
  }

  /** From here on the new key counts. Nothing may be written to the vault until `moveIntoPlace`. */
  async commit(): Promise<OpenKey> {
    await this.#manifest.writeTo(this.#folder, this.#next);
    const header = Buffer.from(`${JSON.stringify(this.#next.header, null, 2)}\n`);
    await replaceFile(headerPath(this.#folder), header, { sync: "folder" });
    const committed = join(this.#dir, COMMITTED);
    await rename(this.#folder, committed);
    try {
      await syncFolder(this.#dir);
    } catch (cause) {
      // Not for certain on the disk: the old key is. If there is no way back, the way is forward.
      const back = await rename(committed, this.#folder).then(
        () => true,
        () => false,
      );
      if (back) throw cause;
    }
    return this.#next;
  }
}

/**
 * Brings a committed rekey to its end, as far as that takes no key: the sealed files, the manifest, the
 * key file, and vault.json at last. Without a pause, so that nobody sees half of it. Throws an AuthdError.
 */
export function moveIntoPlace(dir: string): void {
  const committed = join(dir, COMMITTED);
  try {
    const files = listed(committed);
    const sealed = files.filter((file) => file.endsWith(".sealed"));
    const last = [MANIFEST, "key", "vault.json"].filter((file) => files.includes(file));
    if (sealed.length + last.length === 0) return;
    for (const file of [...sealed, ...last]) renameSync(join(committed, file), join(dir, file));
    syncFolderNow(dir);
  } catch (cause) {
    throw new AuthdError(
      "internal",
      `The vault's new key could not be put in place in ${dir}: ${explainFileError(cause)}`,
      { cause },
    );
  }
}

/**
 * Removes what a rekey leaves: the old key after one that was committed, once all is in place, and
 * the new one after one that was not. `current` is the header of the open vault. Never rejects.
 */
export async function cleanUp(
  current: VaultHeader,
  context: KeyContext,
  log: VaultLog,
): Promise<void> {
  const { dir } = context;
  for (const leftover of [STAGED, COMMITTED].filter((file) => existsSync(join(dir, file)))) {
    const path = join(dir, leftover);
    try {
      if (leftover === COMMITTED) moveIntoPlace(dir);
      const forgotten = await removeKey(leftover, current, context).then(
        () => true,
        (error) => {
          log.warn(`A key that is not needed any more could not be removed. ${messageOf(error)}`);
          return false;
        },
      );
      // Nothing is sealed with a key that never counted; the old one is tried again at the next start.
      if (!forgotten && leftover === COMMITTED) continue;
      await rm(path, { recursive: true, force: true });
      await syncFolder(dir);
    } catch (error) {
      log.warn(`What a rekey left in ${path} could not be removed yet. ${messageOf(error)}`);
    }
  }
}

async function removeKey(
  leftover: string,
  current: VaultHeader,
  context: KeyContext,
): Promise<void> {
  const { dir } = context;
  const note = await readNote(join(dir, leftover, NOTE));
  const going = leftover === COMMITTED ? note?.from : note?.to;
  if (!going || going.keyId === current.keyId) return;
  // A staged key file goes with its folder.
  if (leftover === COMMITTED && going.keySource === "file" && current.keySource !== "file") {
    await rm(join(dir, "key"), { force: true });
    await syncFolder(dir);
  }
  const keeper: KeyProvider = keyProviders[going.keySource];
  await keeper.forget?.({ ...context, keyId: going.keyId });
}

/** Undefined: it was cut off before it was written, and so before there was a key. */
async function readNote(path: string): Promise<Note | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Note;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

function listed(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw cause;
  }
}

function rekeyError(problem: string, cause?: unknown): AuthdError {
  const message = `The vault keeps its key: ${problem}`;
  return new AuthdError("internal", message, cause === undefined ? {} : { cause });
}

function notTidy(dir: string): AuthdError {
  return rekeyError(
    "the key before could not be removed yet, as the log says. Unlock the keychain and restart authd; " +
      `if that keychain is gone for good, remove ${join(dir, COMMITTED)}`,
  );
}

function theSameKey(source: KeySource): AuthdError {
  return new AuthdError(
    "invalid_params",
    `The key from ${source} is the one that the vault has already. Hand the new one to the service ` +
      "beside it, with LoadCredentialEncrypted=authd-vault-key-new in its unit",
  );
}
