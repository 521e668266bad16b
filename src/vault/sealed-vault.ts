import { explainFileError } from "../base/file-error.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { derivedKey } from "./derived-key.ts";
import type { VaultHeader } from "./header.ts";
import { createJournal, type Journal } from "./journal.ts";
import { type KeyContext, locked } from "./keys/key-source.ts";
import { Manifest } from "./manifest.ts";
import { sealedNames, sealedPath } from "./names.ts";
import { type Rebuilt, rebuilt } from "./rebuilt.ts";
import { RecordKeys } from "./record-keys.ts";
import { type Job, Records } from "./records.ts";
import { cleanUp, moveIntoPlace, RekeyTransaction } from "./rekey.ts";
import type { KeySource, ManagedVault, Rekeyed, WriteOptions } from "./vault.ts";
import type { VaultDirectory } from "./vault-directory.ts";
import { isPassphraseOf, type OpenKey, type VaultLog } from "./vault-key.ts";
import { WriteQueue } from "./write-queue.ts";

export interface KeyFinder {
  /** The vault's key, or a new vault's. `known`: the header of the vault that was open before. */
  lookForKey: (known: VaultHeader | undefined, passphrase?: string) => Promise<OpenKey>;
  /** For another key. */
  newContext: () => KeyContext;
}

export interface SealedVaultOptions<Content> {
  log: VaultLog;
  /** True for content that programs are kept from. */
  isGuarded: (content: Content) => boolean;
  /** The manifest was missing or unusable, and was made from the sealed files. */
  onRebuilt: (told: Rebuilt) => void;
}

/** A rekey seals so few changed records anew with all writes held, or more after so many rounds. */
const FEW = 8;
const ROUNDS = 5;

/** The vault over a folder that exists and is locked for us. Locked until `unlock` found the key. */
export class SealedVault<Content extends object> implements ManagedVault<Content> {
  readonly intent: Journal;
  readonly #directory: VaultDirectory;
  readonly #finder: KeyFinder;
  readonly #options: SealedVaultOptions<Content>;
  readonly #log: VaultLog;
  readonly #manifest: Manifest;
  readonly #records: Records<Content>;
  readonly #writes = new WriteQueue<Job>((name, job) => this.#perform(name, job), mergeWrites);
  #keySource: KeySource;
  #open: OpenKey | undefined;
  /** The header of `#open`, kept while the vault is locked: who replaces vault.json meanwhile opens nothing. */
  #header: VaultHeader | undefined;
  /** Completes the manifest, once: with the records that it does not have, and that nobody has read yet. */
  #complete: (() => void) | undefined;
  #isManifestLoaded = false;
  readonly #recordKeys = new RecordKeys();
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
  constructor(
    directory: VaultDirectory,
    expected: KeySource,
    finder: KeyFinder,
    options: SealedVaultOptions<Content>,
  ) {
    const { dir } = directory;
    this.#directory = directory;
    this.#keySource = expected;
    this.#finder = finder;
    this.#options = options;
    this.#log = options.log;
    this.#manifest = new Manifest(dir);
    this.#records = new Records({ ...options, dir, manifest: this.#manifest });
    this.intent = createJournal(directory, this.#manifest, () => {
      this.#settle();
      return this.#usable();
    });
  }

  get keySource(): KeySource {
    return this.#keySource;
  }

  get locked(): string | undefined {
    return this.#problem;
  }

  names(): string[] {
    return sealedNames(this.#directory.dir);
  }

  knows(name: string): boolean {
    this.#complete?.();
    return this.#manifest.isLive(name);
  }

  isGuarded(name: string): boolean {
    this.#complete?.();
    return this.#manifest.isGuarded(name);
  }

  anyGuarded(): string | undefined {
    this.#complete?.();
    return this.#manifest.anyGuarded();
  }

  read(name: string): Content | undefined {
    const open = this.#usable();
    this.#settle();
    return this.#records.read(name, open);
  }

  async write(
    name: string,
    content: Content,
    { durable, replaceDamaged = false, isChange = false }: WriteOptions,
  ): Promise<void> {
    if (!this.#recordKeys.get(name)) this.#usable();
    // Now, not when its turn comes: the caller may go on to change it.
    const plaintext = Buffer.from(JSON.stringify(content));
    const isGuarded = this.#options.isGuarded(content);
    await this.#writes.push(name, { plaintext, durable, replaceDamaged, isChange, isGuarded });
  }

  async remove(name: string): Promise<void> {
    this.#usable();
    const job = { durable: true, replaceDamaged: true, isChange: true, isGuarded: false };
    await this.#writes.push(name, job);
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
      await this.#directory.ensure(old);
      this.#complete?.();
      if (this.intent.read()) throw unfinished();
      // A keychain that was locked the last time may be open now.
      await cleanUp(old.header, context, this.#log);
      const transaction = await RekeyTransaction.begin(old, to, context, this.#manifest);
      let names = this.names();
      // What is written meanwhile is sealed anew again, until so little is left that it may wait.
      for (let round = 0; round < ROUNDS && names.length > FEW; round++) {
        await this.#stageAll(transaction, names);
        names = take(changed);
      }
      await this.#exchange(transaction, () =>
        this.#stageAll(transaction, [...new Set([...names, ...take(changed)])]),
      );
      const damaged = [...transaction.damaged].sort();
      return { sealed: this.names().length - damaged.length, damaged };
    } catch (cause) {
      throw cause instanceof AuthdError ? cause : notRekeyed(cause);
    } finally {
      this.#changed = undefined;
      await cleanUp(this.#header ?? old.header, context, this.#log);
    }
  }

  async #stageAll(transaction: RekeyTransaction, names: readonly string[]): Promise<void> {
    const waiting = [...names];
    const work = async () => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
        if (this.#closing) throw new AuthdError("shutting_down", "authd is stopping");
        await transaction.stage(name);
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
  }

  /** The instant at which the keys change: no write is under way, and reads see all of it or nothing. */
  async #exchange(transaction: RekeyTransaction, stageTheRest: () => Promise<void>): Promise<void> {
    await this.#writes.hold();
    try {
      await this.#manifest.settled();
      await this.#directory.settled();
      await stageTheRest();
      const next = await transaction.commit();
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
    moveIntoPlace(this.#directory.dir);
    this.#isUnsettled = false;
  }

  async ensure(): Promise<boolean> {
    // A rekey has looked at the folder, and is about to replace what is in it.
    if (this.#open && !this.#closing && !this.#changed) {
      this.#settle();
      await this.#directory.ensure(this.#open);
      await this.#saveManifest();
    }
    return this.#directory.wasRestored();
  }

  /** Writes what a person's change, or a start, has left unwritten. Rejects with AuthdError `internal`. */
  async #saveManifest(): Promise<void> {
    this.#complete?.();
    // A rekey that began meanwhile seals it anew.
    if (!this.#open || this.#changed || this.#manifest.isSaved) return;
    await this.#manifest.save(this.#open).catch((cause) => {
      const message = `The vault's manifest can't be written: ${explainFileError(cause)}`;
      throw new AuthdError("internal", message, { cause });
    });
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
    await this.#manifest.settled();
  }

  async lock(why: string, sealing: () => readonly string[] = () => []): Promise<void> {
    await this.settled();
    await this.#saveManifest().catch((error) => this.#log.warn(messageOf(error)));
    // One that was begun since then would be sealed with what is left of the key.
    while (this.#writes.busy || this.#manifest.busy) await this.settled();
    if (this.#open) {
      this.#recordKeys.keep(sealing(), this.#open);
      this.#open.key.fill(0);
    }
    this.#open = undefined;
    this.#problem = why;
  }

  async release(name: string): Promise<void> {
    const own = this.#recordKeys.get(name);
    await this.#writes.drain();
    this.#recordKeys.wipe(name, own);
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
    this.#recordKeys.wipeAll();
    this.#keySource = open.header.keySource;
    this.#problem = undefined;
    this.#loadManifest(open);
    this.#rekeyUntil(cleanUp(open.header, this.#finder.newContext(), this.#log));
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
    await this.#saveManifest().catch((error) => this.#log.warn(messageOf(error)));
    this.#open?.key.fill(0);
    this.#open = undefined;
    this.#recordKeys.wipeAll();
    await this.#directory.release();
  }

  #usable(): OpenKey {
    if (this.#closing)
      throw new AuthdError("shutting_down", "The vault is closed: authd is stopping");
    if (!this.#open) throw locked(this.#problem ?? "The vault is locked");
    return this.#open;
  }

  /** Once: from then on the generations in memory count, also after the vault was locked. */
  #loadManifest(open: OpenKey): void {
    if (this.#isManifestLoaded) return;
    this.#isManifestLoaded = true;
    const finding = this.#manifest.load(open);
    const names = this.names();
    this.#complete = () => {
      if (!this.#open) return;
      this.#complete = undefined;
      this.#learn(names.filter((name) => !this.#manifest.has(name)));
      const told = rebuilt(finding, names, this.#manifest);
      if (told) this.#options.onRebuilt(told);
    };
  }

  /** Reading a record notes it in the manifest. */
  #learn(names: readonly string[]): void {
    for (const name of names) {
      try {
        this.read(name);
      } catch {
        // It is told of where it is used.
      }
    }
  }

  async #perform(name: string, job: Job): Promise<void> {
    const path = sealedPath(this.#directory.dir, name);
    const own = this.#recordKeys.get(name);
    try {
      if (own && job.plaintext) {
        await this.#records.replace(name, job.plaintext, own, job.durable);
        return;
      }
      const open = this.#open!;
      this.#settle();
      if (job.isChange) this.#complete?.();
      await this.#directory.ensure(open);
      await this.#records.perform(name, job, open);
    } catch (cause) {
      throw cause instanceof AuthdError ? cause : notSaved(name, path, cause);
    } finally {
      job.plaintext?.fill(0);
      // Not before: a rekey would take what is there now for the change.
      this.#changed?.add(name);
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
    isChange: waiting.isChange || next.isChange,
    isGuarded: next.isGuarded,
  };
}

function notSaved(name: string, path: string, cause: unknown): AuthdError {
  return new AuthdError(
    "internal",
    `"${name}" could not be saved to ${path}: ${explainFileError(cause)}. What was saved before is untouched`,
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
  return new AuthdError("internal", `The vault keeps its key: ${explainFileError(cause)}`, {
    cause,
  });
}
