import { link, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncFolder } from "../base/atomic-write.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import type { Known, Manifest } from "./manifest.ts";
import { quarantinePath, sealedPath } from "./names.ts";
import type { RecordKey } from "./record-keys.ts";
import {
  damagedError,
  generationOf,
  MAX_FILE_BYTES,
  RECORD_ALGORITHM,
  seal,
  unseal,
} from "./sealed-file.ts";
import type { OpenKey, VaultLog } from "./vault-key.ts";
import type { WriteJob } from "./write-job.ts";

export interface RecordsOptions<Content> {
  dir: string;
  manifest: Manifest;
  isGuarded: (content: Content) => boolean;
  log: VaultLog;
}

interface Opened {
  plaintext: Buffer;
  generation: number;
}

/** Reads and writes the sealed files of a vault, and compares each with the generation in the manifest. */
export class Records<Content extends object> {
  readonly #options: RecordsOptions<Content>;

  constructor(options: RecordsOptions<Content>) {
    this.#options = options;
  }

  /** Opens a record; undefined if there is no file. Throws AuthdError `credential_damaged`, also for an older copy. */
  read(name: string, open: OpenKey): Content | undefined {
    const { manifest, isGuarded } = this.#options;
    const opened = this.#unseal(name, open);
    if (!opened) return undefined;
    const { plaintext, generation } = opened;
    try {
      const known = manifest.generationOf(name);
      if (generation < known) throw olderCopyError(name, generation, known);
      const content = JSON.parse(plaintext.toString()) as Content;
      // The process was killed between the record and the manifest, or the manifest is being rebuilt.
      if (generation > known || !manifest.has(name)) {
        manifest.note(name, factsOf(generation, isGuarded(content)));
      }
      return content;
    } finally {
      plaintext.fill(0);
    }
  }

  /** Carries out one job: writes the record, and after a person's change the manifest. */
  async perform(name: string, job: WriteJob, open: OpenKey): Promise<void> {
    const { dir, manifest } = this.#options;
    const path = sealedPath(dir, name);
    const found = await this.#makeRoom(name, job, open);
    const before = Math.max(manifest.generationOf(name), found);
    const generation = job.isChange ? before + 1 : before;
    if (job.plaintext) {
      const file = seal(open.key, open.header.keyId, name, job.plaintext, generation);
      if (file.length > MAX_FILE_BYTES) throw new Error("it is too large to be read again");
      await replaceFile(path, file, { sync: job.durable ? "folder" : "content" });
    } else {
      await rm(path, { force: true });
      await syncFolder(dir);
    }
    this.#note(name, job, generation);
    // The change is made. A manifest that fails is written later, and reported, by `ensure` of the vault.
    if (job.isChange) await manifest.save(open).catch(() => {});
  }

  /** Replaces a record while the vault is locked: the file before it can't be opened, nor the manifest written. */
  async replace(
    name: string,
    plaintext: Buffer,
    { key, keyId }: RecordKey,
    durable: boolean,
  ): Promise<void> {
    const { dir, manifest } = this.#options;
    const generation = manifest.generationOf(name);
    const file = seal(key, keyId, name, plaintext, generation, RECORD_ALGORITHM);
    await replaceFile(sealedPath(dir, name), file, { sync: durable ? "folder" : "content" });
  }

  #note(name: string, { plaintext, isChange, isGuarded }: WriteJob, generation: number): void {
    const { manifest } = this.#options;
    // A record that was lost and is made again without its secrets does not say whether it was guarded.
    const guarded = isChange || !manifest.has(name) ? isGuarded : manifest.isGuarded(name);
    if (!plaintext) manifest.note(name, { generation, removed: true });
    else manifest.note(name, factsOf(generation, guarded));
  }

  #unseal(name: string, { key, header }: OpenKey): Opened | undefined {
    let file: Buffer;
    try {
      file = readRegularFile(sealedPath(this.#options.dir, name), MAX_FILE_BYTES);
    } catch (cause) {
      if (cause instanceof AuthdError) throw cause;
      if (errorCode(cause) === "ENOENT") return undefined;
      throw damagedError(name, `it can't be read: ${messageOf(cause)}`, cause);
    }
    const plaintext = unseal(key, header.keyId, name, file);
    return { plaintext, generation: generationOf(file) };
  }

  /**
   * Returns the generation of the file that is about to be replaced. A file that can't be opened is kept
   * under another name, as a newer authd may open it; so is an older copy that a person replaces.
   */
  async #makeRoom(name: string, { replaceDamaged }: WriteJob, open: OpenKey): Promise<number> {
    const { manifest, log } = this.#options;
    let opened: Opened | undefined;
    try {
      opened = this.#unseal(name, open);
    } catch (damage) {
      if (!replaceDamaged) throw damage;
      await this.#setAside(name, "could not be opened");
      return 0;
    }
    if (!opened) return 0;
    const { plaintext, generation } = opened;
    plaintext.fill(0);
    if (generation >= manifest.generationOf(name)) return generation;
    if (replaceDamaged) await this.#setAside(name, "was an older copy");
    else
      log.warn(
        `The sealed file of "${name}" was an older copy; the newest is written in its place`,
      );
    return generation;
  }

  async #setAside(name: string, was: string): Promise<void> {
    const { dir, log } = this.#options;
    const path = sealedPath(dir, name);
    const aside = quarantinePath(join(dir, name));
    // A second name is made first, so that there is always a file under the first.
    await link(path, aside).catch(() => rename(path, aside));
    log.warn(`The sealed file of "${name}" ${was}; it is kept as ${aside}`);
  }
}

/** Returns the facts that the manifest keeps of a record. */
function factsOf(generation: number, guarded: boolean): Known {
  return guarded ? { generation, guarded } : { generation };
}

function olderCopyError(name: string, found: number, known: number): AuthdError {
  return new AuthdError(
    "credential_damaged",
    `The sealed file of "${name}" is older than the vault knows: it is generation ${found}, and ${known} was ` +
      "the last that a person made or removed. It was left as it is: put the newest copy back, or enter the " +
      `secrets again (authd add ${name} --replace …), or import them (authd vault import FILE --replace --only ${name})`,
    { credential: name },
  );
}
