import { statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { makePrivateFolder } from "../base/private-folder.ts";
import { AuthdError } from "../errors.ts";
import { type FileLock, lockVault } from "./file-lock.ts";
import { headerPath, readHeader, type VaultHeader, writeHeader } from "./header.ts";
import { keyProviders } from "./keys/index.ts";
import type { KeyProvider } from "./keys/key-source.ts";
import { quarantinePath } from "./names.ts";
import type { OpenKey, VaultLog } from "./vault-key.ts";

/**
 * Guards the vault's folder while a daemon has it open. If the folder is deleted, it is made again with
 * vault.json and the key: without them nobody could open later what is sealed next.
 */
export class VaultDirectory {
  readonly dir: string;
  readonly #log: VaultLog;
  #lock: FileLock;
  #restoring: Promise<void> | undefined;
  #restored = false;
  /** True if the last try to make the folder again failed. */
  #incomplete = false;
  /** Identifies the vault.json that was last found to be this vault's. */
  #headerSeen = "";

  constructor(dir: string, lock: FileLock, log: VaultLog) {
    this.dir = dir;
    this.#lock = lock;
    this.#log = log;
  }

  /** Makes the folder again if it is gone. Rejects with an AuthdError if another vault or daemon has taken it. */
  async ensure(open: OpenKey): Promise<void> {
    if (!this.#incomplete && this.#lock.held() && this.#isIntact(open.header)) return;
    this.#restoring ??= this.#restore(open).finally(() => {
      this.#restoring = undefined;
    });
    await this.#restoring;
  }

  /** Resolves when nothing in the folder is being made again. */
  async settled(): Promise<void> {
    while (this.#restoring !== undefined) await this.#restoring.catch(() => {});
  }

  /** True if the folder was made again since the last call. */
  wasRestored(): boolean {
    const restored = this.#restored;
    this.#restored = false;
    return restored;
  }

  async #restore({ header, key }: OpenKey): Promise<void> {
    this.#incomplete = true;
    makePrivateFolder(this.dir);
    const isAlone = this.#lock.held();
    if (!isAlone) await this.#lockAgain(header);
    const there = isAlone ? await this.#keptHeader(header) : this.#ownHeader(header);
    const provider: KeyProvider = keyProviders[header.keySource];
    await provider.restore?.(this.dir, key);
    if (!there) await writeHeader(this.dir, header);
    this.#headerSeen = this.#headerNow();
    this.#incomplete = false;
    if (there) return;
    this.#restored = true;
    this.#log.warn(`The vault ${this.dir} was removed while it was open; it was made again`);
  }

  /** Reads vault.json only if it is not the file that was looked at last. */
  #isIntact(header: VaultHeader): boolean {
    const now = this.#headerNow();
    if (now === "" || now === this.#headerSeen) return now !== "";
    try {
      if (!this.#ownHeader(header)) return false;
    } catch {
      return false;
    }
    this.#headerSeen = now;
    return true;
  }

  /** Returns a text that changes with the file and its content; empty if there is no vault.json. */
  #headerNow(): string {
    const stats = statSync(headerPath(this.dir), { throwIfNoEntry: false, bigint: true });
    return stats ? [stats.dev, stats.ino, stats.size, stats.ctimeNs].join(":") : "";
  }

  /** Puts our vault.json back and sets any other aside: under our lock no other daemon can have begun a vault. */
  async #keptHeader(header: VaultHeader): Promise<VaultHeader | undefined> {
    try {
      return this.#ownHeader(header);
    } catch {
      const path = headerPath(this.dir);
      const aside = quarantinePath(path);
      await rename(path, aside);
      await writeHeader(this.dir, header);
      this.#log.warn(
        `${path} was changed while the vault was open; it was put back, the other is kept as ${aside}`,
      );
      return header;
    }
  }

  /** Takes the lock in the new folder, unless another vault is in it. */
  async #lockAgain(header: VaultHeader): Promise<void> {
    const taken = await lockVault(this.dir);
    try {
      this.#ownHeader(header);
    } catch (error) {
      await taken.release();
      throw error;
    }
    await this.#lock.release();
    this.#lock = taken;
  }

  /** Reads the header in the folder, if there is one. Throws an AuthdError if it is another vault's. */
  #ownHeader(header: VaultHeader): VaultHeader | undefined {
    const there = readHeader(this.dir);
    if (there && there.check !== header.check) {
      throw new AuthdError(
        "internal",
        `Another vault was put in place of ${this.dir} while it was open. Move that one away, and authd ` +
          "makes its own again; a restart would use it, and lose what is in memory only",
      );
    }
    return there;
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }
}
