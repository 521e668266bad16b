import { link, rename, rm } from "node:fs/promises";
import { codeOf, explain, replaceFile, syncFolder } from "../atomic-write.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { derivedKey, type VaultHeader } from "./header.ts";
import type { VaultHome } from "./home.ts";
import { type Intent, intentOf } from "./intent.ts";
import { type KeyContext, locked } from "./keys/key-source.ts";
import { asidePath, sealedNames, sealedPath } from "./names.ts";
import { readPlainFile } from "./plain-file.ts";
import { moveIntoPlace, Staging, tidy } from "./rekey.ts";
import { damaged, MAX_FILE_BYTES, seal, unseal } from "./sealed-file.ts";
import type { KeySource, OwnVault, Rekeyed } from "./vault.ts";
import { isPassphraseOf, type OpenKey, type VaultLog } from "./vault-key.ts";
import { WriteQueue } from "./write-queue.ts";

/** Without plaintext: remove the file. */
interface Job {
  plaintext?: Buffer;
  durable: boolean;
  replaceDamaged: boolean;
}

export interface KeyFinder {
  /** The vault's key, or a new vault's. `known`: the header of the vault that was open before. */
  lookForKey: (known: VaultHeader | undefined, passphrase?: string) => Promise<OpenKey>;
  /** For another key. */
  newContext: () => KeyContext;
}

/** A rekey seals so few changed records anew with all writes held, or more after so many rounds. */
const FEW = 8;
const ROUNDS = 5;

/** The vault over a folder that exists and is locked for us. Locked until `unlock` found the key. */
export class SealedVault<Content extends object> implements OwnVault<Content> {
  readonly intent: Intent;
  readonly #home: VaultHome;
  readonly #finder: KeyFinder;
  readonly #log: VaultLog;
  readonly #writes = new WriteQueue<Job>((name, job) => this.#perform(name, job), mergeWrites);
  #keySource: KeySource;
  #open: OpenKey | undefined;
  /** The header of `#open`, kept while the vault is locked: who replaces vault.json meanwhile opens nothing. */
  #header: VaultHeader | undefined;
  #problem: string | undefined = "The vault's key has not been looked for yet";
  #unlocking: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;
  /** A rekey, or what one left that is being removed. Never rejects. */
  #rekeying: Promise<unknown> | undefined;
  /** Names written or removed since the rekey under way began. */
  #changed: Set<string> | undefined;
  /** A rekey is committed, but its files could not be put in place yet. */
  #isUnsettled = false;

  /** `expected` is the key source to name until one is known. */
  constructor(home: VaultHome, expected: KeySource, finder: KeyFinder, log: VaultLog) {
    this.#home = home;
    this.#keySource = expected;
    this.#finder = finder;
    this.#log = log;
    this.intent = intentOf(home, () => this.#usable());
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
    if (!plaintext) return undefined;
    try {
      return JSON.parse(plaintext.toString()) as Content;
    } finally {
      plaintext.fill(0);
    }
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

  async rekey(to: KeySource, passphrase?: string): Promise<Rekeyed> {
    while (this.#rekeying) await this.#rekeying;
    const rekeyed = this.#rekey(this.#usable(), to, passphrase);
    this.#rekeyUntil(rekeyed);
    return await rekeyed;
  }

  #rekeyUntil(done: Promise<unknown>): void {
    const settled = done
      .catch(() => {})
      .then(() => {
        this.#rekeying = undefined;
      });
    this.#rekeying = settled;
  }

  async #rekey(old: OpenKey, to: KeySource, passphrase: string | undefined): Promise<Rekeyed> {
    const context = {
      ...this.#finder.newContext(),
      ...(passphrase === undefined ? {} : { passphrase }),
    };
    const changed = new Set<string>();
    this.#changed = changed;
    try {
      await this.#home.ensure(old);
      if (this.intent.read()) throw unfinished();
      // A keychain that was locked the last time may be open now.
      await tidy(old.header, context, this.#log);
      const staging = await Staging.begin(old, to, context);
      let names = this.names();
      // What is written meanwhile is sealed anew again, until so little is left that it may wait.
      for (let round = 0; round < ROUNDS && names.length > FEW; round++) {
        await this.#stageAll(staging, names);
        names = take(changed);
      }
      await this.#exchange(staging, () =>
        this.#stageAll(staging, [...new Set([...names, ...take(changed)])]),
      );
      const damaged = [...staging.damaged].sort();
      return { sealed: this.names().length - damaged.length, damaged };
    } catch (cause) {
      throw cause instanceof AuthdError ? cause : notRekeyed(cause);
    } finally {
      this.#changed = undefined;
      await tidy(this.#header ?? old.header, context, this.#log);
    }
  }

  async #stageAll(staging: Staging, names: readonly string[]): Promise<void> {
    const waiting = [...names];
    const work = async () => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
        if (this.#closing) throw new AuthdError("shutting_down", "authd is stopping");
        await staging.stage(name);
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
  }

  /** The instant at which the keys change: no write is under way, and reads see all of it or nothing. */
  async #exchange(staging: Staging, stageTheRest: () => Promise<void>): Promise<void> {
    await this.#writes.hold();
    try {
      await stageTheRest();
      const next = await staging.commit();
      const { key } = this.#open!;
      this.#open = next;
      this.#header = next.header;
      this.#keySource = next.header.keySource;
      key.fill(0);
      this.#isUnsettled = true;
      this.#settleSoon();
    } finally {
      this.#writes.release();
    }
  }

  /** What fails now is tried again before anything is read or written, and at the next start. */
  #settleSoon(): void {
    try {
      this.#settle();
    } catch (error) {
      this.#log.warn(messageOf(error));
    }
  }

  #settle(): void {
    if (!this.#isUnsettled) return;
    moveIntoPlace(this.#home.dir);
    this.#isUnsettled = false;
  }

  async ensure(): Promise<boolean> {
    if (this.#open && !this.#closing) await this.#home.ensure(this.#open);
    return this.#home.wasRestored();
  }

  unlock(): Promise<boolean> {
    this.#unlocking ??= this.#tryToUnlock().finally(() => {
      this.#unlocking = undefined;
    });
    return this.#unlocking;
  }

  async open(passphrase?: string): Promise<void> {
    this.#take(await this.#lookForKey(passphrase));
    this.#usable();
  }

  async #lookForKey(passphrase?: string): Promise<OpenKey> {
    this.#settle();
    return await this.#finder.lookForKey(this.#header, passphrase);
  }

  async isPassphrase(given: string): Promise<boolean> {
    return this.#header !== undefined && (await isPassphraseOf(this.#header, given));
  }

  derive(purpose: string): { key: Buffer; keyId: string } | undefined {
    if (!this.#open) return undefined;
    const { key, header } = this.#open;
    return { key: derivedKey(key, purpose), keyId: header.keyId };
  }

  async settled(): Promise<void> {
    while (this.#rekeying) await this.#rekeying;
    await this.#writes.drain();
  }

  async lock(why: string): Promise<void> {
    await this.settled();
    // One that was begun since then would be sealed with what is left of the key.
    while (this.#writes.busy) await this.settled();
    this.#open?.key.fill(0);
    this.#open = undefined;
    this.#problem = why;
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  /** A key that comes after the end, or second, from a slow keychain or prompt, is not kept. */
  #take(open: OpenKey): void {
    if (this.#closing || this.#open) {
      open.key.fill(0);
      return;
    }
    this.#open = open;
    this.#header = open.header;
    this.#keySource = open.header.keySource;
    this.#problem = undefined;
    this.#rekeyUntil(tidy(open.header, this.#finder.newContext(), this.#log));
  }

  async #tryToUnlock(): Promise<boolean> {
    if (this.#open || this.#closing) return this.#open !== undefined;
    try {
      this.#take(await this.#lookForKey());
      return !this.#closing;
    } catch (error) {
      this.#problem = messageOf(error);
      return false;
    }
  }

  async #finish(): Promise<void> {
    await this.settled();
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
    this.#settle();
    let file: Buffer;
    try {
      file = readPlainFile(sealedPath(this.#home.dir, name), MAX_FILE_BYTES);
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
      this.#settle();
      await this.#home.ensure(open);
      await this.#keepDamaged(name, path, job, open);
      if (job.plaintext) {
        const file = seal(open.key, open.header.keyId, name, job.plaintext);
        if (file.length > MAX_FILE_BYTES) throw new Error("it is too large to be read again");
        await replaceFile(path, file, job);
      } else {
        await rm(path, { force: true });
        await syncFolder(this.#home.dir);
      }
    } catch (cause) {
      throw cause instanceof AuthdError ? cause : notSaved(name, path, cause);
    } finally {
      job.plaintext?.fill(0);
      // Not before: a rekey would take what is there now for the change.
      this.#changed?.add(name);
    }
  }

  /** A file that can't be opened today may be opened by a newer authd, or mended: it is kept. */
  async #keepDamaged(name: string, path: string, job: Job, open: OpenKey): Promise<void> {
    try {
      this.#unsealFile(name, open)?.fill(0);
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

function take(names: Set<string>): string[] {
  const taken = [...names];
  names.clear();
  return taken;
}

function unfinished(): AuthdError {
  return new AuthdError(
    "internal",
    "The vault keeps its key, as an import is not completed yet: run authd reload, which says why",
  );
}

function notRekeyed(cause: unknown): AuthdError {
  return new AuthdError("internal", `The vault keeps its key: ${explain(cause)}`, { cause });
}
