import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncFolder } from "../base/atomic-write.ts";
import { explainFileError } from "../base/file-error.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { AuthdError, errorCode } from "../errors.ts";
import { headerPath, headerText, isRightKey, newHeader } from "./header.ts";
import type { KeyContext } from "./keys/key-source.ts";
import type { Manifest } from "./manifest.ts";
import { sealedPath } from "./names.ts";
import { COMMITTED, NOTE, type RekeyNote, STAGED } from "./rekey-leftovers.ts";
import { generationOf, isNewer, MAX_FILE_BYTES, seal, unseal } from "./sealed-file.ts";
import type { KeySource } from "./vault.ts";
import { createFrom, type OpenKey } from "./vault-key.ts";

/** Seals everything with another key, beside the vault, which stays as it is until `commit`. */
export class RekeyTransaction {
  /** Names of files that could not be opened, or are older copies: they stay as they are. */
  readonly damaged = new Set<string>();
  readonly #dir: string;
  readonly #folder: string;
  readonly #old: OpenKey;
  readonly #next: OpenKey;
  readonly #manifest: Manifest;

  /** Makes the new key. Rejects with an AuthdError, and leaves nothing behind but what `cleanUp` removes. */
  static async begin(
    old: OpenKey,
    to: KeySource,
    context: KeyContext,
    manifest: Manifest,
  ): Promise<RekeyTransaction> {
    const { dir, keyId } = context;
    const folder = join(dir, STAGED);
    if (existsSync(join(dir, COMMITTED))) throw notCleanedUpError(dir);
    const note: RekeyNote = {
      from: { keySource: old.header.keySource, keyId: old.header.keyId },
      to: { keySource: to, keyId },
    };
    await mkdir(folder, { mode: 0o700 });
    // The note is written before the key is made: nobody would know of a keychain's entry otherwise.
    await replaceFile(join(folder, NOTE), JSON.stringify(note), { sync: "folder" });
    await syncFolder(dir);
    const isCurrentKey = (key: Buffer) => isRightKey(old.header, key);
    const { key, scrypt } = await createFrom(to, { ...context, dir: folder, isCurrentKey });
    if (isCurrentKey(key)) {
      key.fill(0);
      throw sameKeyError(to);
    }
    const header = newHeader(key, omitUndefined({ keyId, keySource: to, scrypt }));
    return new RekeyTransaction(dir, old, { header, key }, manifest);
  }

  private constructor(dir: string, old: OpenKey, next: OpenKey, manifest: Manifest) {
    this.#dir = dir;
    this.#folder = join(dir, STAGED);
    this.#old = old;
    this.#next = next;
    this.#manifest = manifest;
  }

  /** Seals the file of `name` with the new key, as it is now; a caller repeats it after a change. */
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
    // The record may be sound, and its key is about to be removed.
    if (isNewer(file))
      throw rekeyError(`"${name}" was sealed by a newer authd. Update authd first`);
    try {
      const plaintext = unseal(this.#old.key, this.#old.header.keyId, name, file);
      const generation = generationOf(file);
      if (generation >= this.#manifest.generationOf(name)) return { plaintext, generation };
      plaintext.fill(0);
    } catch {
      // A damaged file stays as it is.
    }
    this.damaged.add(name);
    return undefined;
  }

  /** Makes the new key count. Nothing may be written to the vault from then on until `moveIntoPlace`. */
  async commit(): Promise<OpenKey> {
    await this.#manifest.writeTo(this.#folder, this.#next);
    const header = headerText(this.#next.header);
    await replaceFile(headerPath(this.#folder), header, { sync: "folder" });
    const committed = join(this.#dir, COMMITTED);
    await rename(this.#folder, committed);
    try {
      await syncFolder(this.#dir);
    } catch (cause) {
      // The rename may be lost in a power cut, so the old key counts; if it can't be undone, the new one.
      const back = await rename(committed, this.#folder).then(
        () => true,
        () => false,
      );
      if (back) throw cause;
    }
    return this.#next;
  }
}

function notCleanedUpError(dir: string): AuthdError {
  return rekeyError(
    "the key before could not be removed yet, as the log says. Unlock the keychain and restart authd; " +
      `if that keychain is gone for good, remove ${join(dir, COMMITTED)}`,
  );
}

function sameKeyError(source: KeySource): AuthdError {
  return new AuthdError(
    "invalid_params",
    `The key from ${source} is the one that the vault has already. Hand the new one to the service ` +
      "beside it, with LoadCredentialEncrypted=authd-vault-key-new in its unit",
  );
}

/** Returns the error of a rekey that changed nothing. `problem` goes on from "The vault keeps its key: ". */
export function rekeyError(problem: string, cause?: unknown): AuthdError {
  const message = `The vault keeps its key: ${problem}`;
  return new AuthdError("internal", message, cause === undefined ? {} : { cause });
}
