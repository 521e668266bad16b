import { explainFileError } from "../base/file-error.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { KeyHolder } from "./key-holder.ts";
import type { KeyContext } from "./keys/key-source.ts";
import type { Manifest } from "./manifest.ts";
import { sealedNames } from "./names.ts";
import { cleanUp, moveIntoPlace } from "./rekey-leftovers.ts";
import { RekeyTransaction, rekeyError } from "./rekey-transaction.ts";
import type { KeySource, Rekeyed } from "./vault.ts";
import type { VaultDirectory } from "./vault-directory.ts";
import type { OpenKey, VaultLog } from "./vault-key.ts";

/** Number of changed records that are sealed anew with all writes held; or more, after `MAX_ROUNDS`. */
const MAX_HELD = 8;
const MAX_ROUNDS = 5;
/** Records that are sealed anew at once. */
const WIDTH = 8;

export interface RekeyDeps {
  directory: VaultDirectory;
  holder: KeyHolder;
  manifest: Manifest;
  /** The queue of writes: held while the keys change. */
  writes: { hold(): Promise<void>; release(): void };
  newContext: () => KeyContext;
  /** Notes every record in the manifest. */
  completeManifest: () => void;
  /** True while an import is not completed: its journal is sealed with the old key. */
  isImportPending: () => boolean;
  log: VaultLog;
}

/** Changes the vault's key while the vault is in use, one change at a time. */
export class Rekey {
  readonly #deps: RekeyDeps;
  /** A rekey, or the removal of what one left. Never rejects. */
  #running: Promise<void> | undefined;
  /** Names written or removed since the rekey under way began. */
  #changed: Set<string> | undefined;
  /** A rekey is committed, but its files could not be put in place yet. */
  #isUnsettled = false;

  constructor(deps: RekeyDeps) {
    this.#deps = deps;
  }

  /** True from the first look at the vault until the keys have changed, or have not. */
  get isUnderWay(): boolean {
    return this.#changed !== undefined;
  }

  /** Seals everything with a new key from `to`; see `ManagedVault.rekey`. */
  async run(to: KeySource, passphrase: string | undefined): Promise<Rekeyed> {
    await this.settled();
    const rekeyed = this.#rekey(this.#deps.holder.usable(), to, passphrase);
    this.#track(rekeyed);
    return await rekeyed;
  }

  /** Begins to remove what an earlier rekey left. */
  removeLeftovers({ header }: OpenKey): void {
    this.#track(cleanUp(header, this.#deps.newContext(), this.#deps.log));
  }

  /** Resolves when no rekey runs. Never rejects. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Has the record of `name` sealed anew once more, as it was written since. */
  noteChange(name: string): void {
    this.#changed?.add(name);
  }

  /** Puts the files of a committed rekey in place, if that failed before. Throws an AuthdError. */
  moveIntoPlace(): void {
    if (!this.#isUnsettled) return;
    moveIntoPlace(this.#deps.directory.dir);
    this.#isUnsettled = false;
  }

  #track(work: Promise<unknown>): void {
    this.#running = work
      .catch(() => {})
      .then(() => {
        this.#running = undefined;
      });
  }

  async #rekey(old: OpenKey, to: KeySource, passphrase: string | undefined): Promise<Rekeyed> {
    const { directory, holder, manifest, newContext, log } = this.#deps;
    const context = omitUndefined({ ...newContext(), passphrase });
    const changed = new Set<string>();
    this.#changed = changed;
    try {
      await directory.ensure(old);
      this.#deps.completeManifest();
      if (this.#deps.isImportPending()) throw importPending();
      // A keychain that was locked the last time may be open now.
      await cleanUp(old.header, context, log);
      const transaction = await RekeyTransaction.begin(old, to, context, manifest);
      await this.#sealAnew(transaction, changed);
      const damaged = [...transaction.damaged].sort();
      return { sealed: this.#names().length - damaged.length, damaged };
    } catch (cause) {
      throw cause instanceof AuthdError ? cause : rekeyError(explainFileError(cause), cause);
    } finally {
      this.#changed = undefined;
      await cleanUp(holder.header ?? old.header, context, log);
    }
  }

  /** Records that are written meanwhile are sealed again, until so few are left that writes may wait. */
  async #sealAnew(transaction: RekeyTransaction, changed: Set<string>): Promise<void> {
    let names: readonly string[] = this.#names();
    for (let round = 0; round < MAX_ROUNDS && names.length > MAX_HELD; round++) {
      await this.#stageAll(transaction, names);
      names = takeAll(changed);
    }
    await this.#exchange(transaction, () =>
      this.#stageAll(transaction, [...new Set([...names, ...takeAll(changed)])]),
    );
  }

  async #stageAll(transaction: RekeyTransaction, names: readonly string[]): Promise<void> {
    const waiting = [...names];
    const work = async () => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
        if (this.#deps.holder.isClosed) throw new AuthdError("shutting_down", "authd is stopping");
        await transaction.stage(name);
      }
    };
    await Promise.all(Array.from({ length: WIDTH }, work));
  }

  /** Changes the keys in an instant: no write is under way, and reads see all of it or nothing. */
  async #exchange(transaction: RekeyTransaction, stageTheRest: () => Promise<void>): Promise<void> {
    const { directory, holder, manifest, writes } = this.#deps;
    await writes.hold();
    try {
      await manifest.settled();
      await directory.settled();
      await stageTheRest();
      holder.exchange(await transaction.commit());
      this.#isUnsettled = true;
      this.#moveSoon();
    } finally {
      writes.release();
    }
  }

  /** Moves the files; a failure is tried again before anything is read or written, and at the next start. */
  #moveSoon(): void {
    try {
      this.moveIntoPlace();
    } catch (error) {
      this.#deps.log.warn(messageOf(error));
    }
  }

  #names(): string[] {
    return sealedNames(this.#deps.directory.dir);
  }
}

function takeAll(names: Set<string>): string[] {
  const taken = [...names];
  names.clear();
  return taken;
}

function importPending(): AuthdError {
  return rekeyError("an import is not completed yet: run authd reload, which says why");
}
