import { readFileSync } from "node:fs";
import { link, rename, rm } from "node:fs/promises";
import { AuthdError, messageOf } from "../errors.ts";
import { codeOf, explain, replaceFile, syncFolder } from "./atomic-write.ts";
import type { VaultHome } from "./home.ts";
import { locked } from "./keys/key-source.ts";
import { asidePath, sealedNames, sealedPath } from "./names.ts";
import { damaged, seal, unseal } from "./sealed-file.ts";
import type { KeySource, Vault } from "./vault.ts";
import type { OpenKey, VaultLog } from "./vault-key.ts";
import { WriteQueue } from "./write-queue.ts";

/** Without plaintext: remove the file. */
interface Job {
  plaintext?: Buffer;
  durable: boolean;
  replaceDamaged: boolean;
}

/** The vault over a folder that exists and is locked for us. Locked until `unlock` found the key. */
export class SealedVault<Content extends object> implements Vault<Content> {
  readonly #home: VaultHome;
  readonly #findKey: () => Promise<OpenKey>;
  readonly #log: VaultLog;
  readonly #writes = new WriteQueue<Job>((name, job) => this.#perform(name, job), mergeWrites);
  #keySource: KeySource;
  #open: OpenKey | undefined;
  #problem: string | undefined = "The vault's key has not been looked for yet";
  #unlocking: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;

  /** `expected` is the key source to name until one is known. */
  constructor(
    home: VaultHome,
    expected: KeySource,
    findKey: () => Promise<OpenKey>,
    log: VaultLog,
  ) {
    this.#home = home;
    this.#keySource = expected;
    this.#findKey = findKey;
    this.#log = log;
  }

  get keySource(): KeySource {
    return this.#keySource;
  }

  get locked(): string | undefined {
    return this.#problem;
  }

  names(): string[] {
    return sealedNames(this.#home.dir);
  }

  read(name: string): Content | undefined {
    const plaintext = this.#unsealFile(name, this.#usable());
    return plaintext && (JSON.parse(plaintext.toString()) as Content);
  }

  async write(
    name: string,
    content: Content,
    { durable, replaceDamaged = false }: { durable: boolean; replaceDamaged?: boolean },
  ): Promise<void> {
    this.#usable();
    // Now, not when its turn comes: the caller may go on to change it.
    const plaintext = Buffer.from(JSON.stringify(content));
    await this.#writes.push(name, { plaintext, durable, replaceDamaged });
  }

  async remove(name: string): Promise<void> {
    this.#usable();
    await this.#writes.push(name, { durable: true, replaceDamaged: true });
  }

  unlock(): Promise<boolean> {
    this.#unlocking ??= this.#tryToUnlock().finally(() => {
      this.#unlocking = undefined;
    });
    return this.#unlocking;
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #tryToUnlock(): Promise<boolean> {
    if (this.#open || this.#closing) return this.#open !== undefined;
    try {
      const open = await this.#findKey();
      // A key that comes after the end, from a slow keychain or prompt, is not kept.
      if (this.#closing) {
        open.key.fill(0);
        return false;
      }
      this.#open = open;
      this.#keySource = open.header.keySource;
      this.#problem = undefined;
      return true;
    } catch (error) {
      this.#problem = messageOf(error);
      return false;
    }
  }

  async #finish(): Promise<void> {
    await this.#writes.drain();
    this.#open?.key.fill(0);
    this.#open = undefined;
    await this.#home.release();
  }

  #usable(): OpenKey {
    if (this.#closing)
      throw new AuthdError("shutting_down", "The vault is closed: authd is stopping");
    if (!this.#open) throw locked(this.#problem ?? "The vault is locked");
    return this.#open;
  }

  #unsealFile(name: string, { key, header }: OpenKey): Buffer | undefined {
    let file: Buffer;
    try {
      file = readFileSync(sealedPath(this.#home.dir, name));
    } catch (cause) {
      if (cause instanceof AuthdError) throw cause;
      if (codeOf(cause) === "ENOENT") return undefined;
      throw damaged(name, `it can't be read: ${messageOf(cause)}`, cause);
    }
    return unseal(key, header.keyId, name, file);
  }

  async #perform(name: string, job: Job): Promise<void> {
    const path = sealedPath(this.#home.dir, name);
    const open = this.#open!;
    try {
      await this.#home.ensure(open);
      await this.#keepDamaged(name, path, job, open);
      if (job.plaintext) {
        const file = seal(open.key, open.header.keyId, name, job.plaintext);
        await replaceFile(path, file, job);
      } else {
        await rm(path, { force: true });
        await syncFolder(this.#home.dir);
      }
    } catch (cause) {
      throw cause instanceof AuthdError ? cause : notSaved(name, path, cause);
    }
  }

  /** A file that can't be opened today may be opened by a newer authd, or mended: it is kept. */
  async #keepDamaged(name: string, path: string, job: Job, open: OpenKey): Promise<void> {
    try {
      this.#unsealFile(name, open);
    } catch (damage) {
      if (!job.replaceDamaged) throw damage;
      const aside = asidePath(this.#home.dir, name);
      // Two names for one file, so that there is no moment without one under the first.
      await link(path, aside).catch(() => rename(path, aside));
      this.#log.warn(`The sealed file of "${name}" could not be opened; it is kept as ${aside}`);
    }
  }
}

/** Only the last of the writes that wait matters. A removal in between keeps its place. */
function mergeWrites(waiting: Job, next: Job): Job | undefined {
  if (!waiting.plaintext || !next.plaintext) return undefined;
  return {
    plaintext: next.plaintext,
    durable: waiting.durable || next.durable,
    replaceDamaged: waiting.replaceDamaged || next.replaceDamaged,
  };
}

function notSaved(name: string, path: string, cause: unknown): AuthdError {
  return new AuthdError(
    "internal",
    `"${name}" could not be saved to ${path}: ${explain(cause)}. What was saved before is untouched`,
    { credential: name, cause },
  );
}
