import { explainFileError } from "../base/file-error.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { derivedKey } from "./derived-key.ts";
import type { VaultHeader } from "./header.ts";
import { createJournal, type Journal } from "./journal.ts";
import { KeyHolder } from "./key-holder.ts";
import type { KeyContext } from "./keys/key-source.ts";
import { Manifest } from "./manifest.ts";
import { ManifestLoader, type Rebuilt } from "./manifest-loader.ts";
import { sealedNames, sealedPath } from "./names.ts";
import { RecordKeys } from "./record-keys.ts";
import { Records } from "./records.ts";
import { Rekey } from "./rekey.ts";
import type { KeySource, ManagedVault, Rekeyed, WriteOptions } from "./vault.ts";
import type { VaultDirectory } from "./vault-directory.ts";
import { isPassphraseOf, type OpenKey, type VaultLog } from "./vault-key.ts";
import { mergeJobs, notSaved, type WriteJob } from "./write-job.ts";
import { WriteQueue } from "./write-queue.ts";

export interface KeyFinder {
  /** Returns the vault's key, or a new vault's. `known` is the header of the vault that was open before. */
  lookForKey: (known: VaultHeader | undefined, passphrase?: string) => Promise<OpenKey>;
  /** Returns the context of a key to come. */
  newContext: () => KeyContext;
}

export interface SealedVaultOptions<Content> {
  log: VaultLog;
  /** True for content that programs are kept from. */
  isGuarded: (content: Content) => boolean;
  /** Called when the manifest was missing or unusable, and was made from the sealed files. */
  onRebuilt: (rebuilt: Rebuilt) => void;
}

/** The vault over a folder that exists and is locked for us. It has no key until `unlock` found it. */
export class SealedVault<Content extends object> implements ManagedVault<Content> {
  readonly journal: Journal;
  readonly #directory: VaultDirectory;
  readonly #finder: KeyFinder;
  readonly #options: SealedVaultOptions<Content>;
  readonly #holder: KeyHolder;
  readonly #manifest: Manifest;
  readonly #loader: ManifestLoader;
  readonly #records: Records<Content>;
  readonly #recordKeys = new RecordKeys();
  readonly #writes = new WriteQueue<WriteJob>((name, job) => this.#perform(name, job), mergeJobs);
  readonly #rekey: Rekey;
  #unlocking: Promise<boolean> | undefined;
  #closing: Promise<void> | undefined;

  /** `expected` is the key source to name until one is known. */
  constructor(
    directory: VaultDirectory,
    expected: KeySource,
    finder: KeyFinder,
    options: SealedVaultOptions<Content>,
  ) {
    const { dir } = directory;
    this.#directory = directory;
    this.#finder = finder;
    this.#options = options;
    this.#holder = new KeyHolder(expected);
    this.#manifest = new Manifest(dir);
    this.#loader = new ManifestLoader(this.#manifest, options.onRebuilt);
    this.#records = new Records({ ...options, dir, manifest: this.#manifest });
    this.journal = createJournal(directory, this.#manifest, () => {
      this.#rekey.moveIntoPlace();
      return this.#holder.usable();
    });
    this.#rekey = new Rekey({
      directory,
      holder: this.#holder,
      manifest: this.#manifest,
      writes: this.#writes,
      newContext: finder.newContext,
      completeManifest: () => this.#completeManifest(),
      isImportPending: () => this.journal.read() !== undefined,
      log: options.log,
    });
  }

  get keySource(): KeySource {
    return this.#holder.keySource;
  }

  get locked(): string | undefined {
    return this.#holder.problem;
  }

  names(): string[] {
    return sealedNames(this.#directory.dir);
  }

  knows(name: string): boolean {
    this.#completeManifest();
    return this.#manifest.isLive(name);
  }

  isGuarded(name: string): boolean {
    this.#completeManifest();
    return this.#manifest.isGuarded(name);
  }

  anyGuarded(): string | undefined {
    this.#completeManifest();
    return this.#manifest.anyGuarded();
  }

  read(name: string): Content | undefined {
    const open = this.#holder.usable();
    this.#rekey.moveIntoPlace();
    return this.#records.read(name, open);
  }

  async write(
    name: string,
    content: Content,
    { durable, replaceDamaged = false, isChange = false }: WriteOptions,
  ): Promise<void> {
    if (!this.#recordKeys.get(name)) this.#holder.usable();
    // Serialized now, not when its turn comes: the caller may go on to change it.
    const plaintext = Buffer.from(JSON.stringify(content));
    const isGuarded = this.#options.isGuarded(content);
    await this.#writes.push(name, { plaintext, durable, replaceDamaged, isChange, isGuarded });
  }

  async remove(name: string): Promise<void> {
    this.#holder.usable();
    const job = { durable: true, replaceDamaged: true, isChange: true, isGuarded: false };
    await this.#writes.push(name, job);
  }

  rekey(to: KeySource, passphrase?: string): Promise<Rekeyed> {
    return this.#rekey.run(to, passphrase);
  }

  async ensure(): Promise<boolean> {
    const { open, isClosed } = this.#holder;
    // A rekey has looked at the folder, and is about to replace what is in it.
    if (open && !isClosed && !this.#rekey.isUnderWay) {
      this.#rekey.moveIntoPlace();
      await this.#directory.ensure(open);
      await this.#saveManifest();
    }
    return this.#directory.wasRestored();
  }

  unlock(): Promise<boolean> {
    this.#unlocking ??= this.#tryToUnlock().finally(() => {
      this.#unlocking = undefined;
    });
    return this.#unlocking;
  }

  async open(passphrase?: string): Promise<void> {
    this.#take(await this.#lookForKey(passphrase));
    this.#holder.usable();
  }

  async isPassphrase(given: string): Promise<boolean> {
    const { header } = this.#holder;
    return header !== undefined && (await isPassphraseOf(header, given));
  }

  derive(purpose: string): { key: Buffer; keyId: string } | undefined {
    const { open } = this.#holder;
    return open && { key: derivedKey(open.key, purpose), keyId: open.header.keyId };
  }

  async settled(): Promise<void> {
    await this.#rekey.settled();
    await this.#writes.drain();
    await this.#manifest.settled();
  }

  async lock(why: string, sealing: () => readonly string[] = () => []): Promise<void> {
    await this.#flush();
    // A write that was begun since then would be sealed with what is left of the key.
    while (this.#writes.busy || this.#manifest.busy) await this.settled();
    const { open } = this.#holder;
    if (open) this.#recordKeys.keep(sealing(), open);
    this.#holder.lock(why);
  }

  async release(name: string): Promise<void> {
    const own = this.#recordKeys.get(name);
    await this.#writes.drain();
    this.#recordKeys.wipe(name, own);
  }

  close(): Promise<void> {
    this.#holder.close();
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    await this.#flush();
    this.#holder.wipe();
    this.#recordKeys.wipeAll();
    await this.#directory.release();
  }

  /** Resolves when everything is written, or has failed. */
  async #flush(): Promise<void> {
    await this.settled();
    await this.#saveManifest().catch((error) => this.#options.log.warn(messageOf(error)));
  }

  async #tryToUnlock(): Promise<boolean> {
    const { open, isClosed } = this.#holder;
    if (open || isClosed) return open !== undefined;
    try {
      this.#take(await this.#lookForKey());
      return !this.#holder.isClosed;
    } catch (error) {
      this.#holder.fail(messageOf(error));
      return false;
    }
  }

  async #lookForKey(passphrase?: string): Promise<OpenKey> {
    this.#rekey.moveIntoPlace();
    return await this.#finder.lookForKey(this.#holder.header, passphrase);
  }

  #take(open: OpenKey): void {
    if (!this.#holder.take(open)) return;
    this.#recordKeys.wipeAll();
    this.#loader.load(open, this.names());
    this.#rekey.removeLeftovers(open);
  }

  #completeManifest(): void {
    if (this.#holder.open) this.#loader.complete((name) => this.read(name));
  }

  /** Writes what a person's change, or a start, has left unwritten. Rejects with AuthdError `internal`. */
  async #saveManifest(): Promise<void> {
    this.#completeManifest();
    const { open } = this.#holder;
    // A rekey that began meanwhile seals it anew.
    if (!open || this.#rekey.isUnderWay || this.#manifest.isSaved) return;
    await this.#manifest.save(open).catch((cause) => {
      const message = `The vault's manifest can't be written: ${explainFileError(cause)}`;
      throw new AuthdError("internal", message, { cause });
    });
  }

  async #perform(name: string, job: WriteJob): Promise<void> {
    const own = this.#recordKeys.get(name);
    try {
      if (own && job.plaintext) {
        await this.#records.replace(name, job.plaintext, own, job.durable);
        return;
      }
      const open = this.#holder.open!;
      this.#rekey.moveIntoPlace();
      if (job.isChange) this.#completeManifest();
      await this.#directory.ensure(open);
      await this.#records.perform(name, job, open);
    } catch (cause) {
      const path = sealedPath(this.#directory.dir, name);
      throw cause instanceof AuthdError ? cause : notSaved(name, path, cause);
    } finally {
      job.plaintext?.fill(0);
      // Not before: a rekey would take what is there now for the change.
      this.#rekey.noteChange(name);
    }
  }
}
