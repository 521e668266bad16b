import { existsSync } from "node:fs";
import { AuthdError } from "../errors.ts";
import { makePrivateFolder } from "./atomic-write.ts";
import { headerPath, readHeader, writeHeader } from "./header.ts";
import { keyKeepers } from "./keys/index.ts";
import type { KeyKeeper } from "./keys/key-source.ts";
import { lockVault, type VaultLock } from "./lock.ts";
import type { OpenKey, VaultLog } from "./vault-key.ts";

/**
 * The vault's folder while a daemon has it open. If it is deleted under the daemon, what is sealed
 * next needs more than a new folder: without vault.json and the key nobody could open it later.
 */
export class VaultHome {
  readonly dir: string;
  readonly #log: VaultLog;
  #lock: VaultLock;
  #restoring: Promise<void> | undefined;

  constructor(dir: string, lock: VaultLock, log: VaultLog) {
    this.dir = dir;
    this.#lock = lock;
    this.#log = log;
  }

  /** Rejects with an AuthdError if another vault or daemon has taken the folder. */
  async ensure(open: OpenKey): Promise<void> {
    if (this.#lock.held() && existsSync(headerPath(this.dir))) return;
    this.#restoring ??= this.#restore(open).finally(() => {
      this.#restoring = undefined;
    });
    await this.#restoring;
  }

  async #restore({ header, key }: OpenKey): Promise<void> {
    makePrivateFolder(this.dir);
    if (!this.#lock.held()) {
      const taken = await lockVault(this.dir);
      await this.#lock.release();
      this.#lock = taken;
    }
    const there = readHeader(this.dir);
    if (there && there.check !== header.check) {
      throw new AuthdError(
        "internal",
        `Another vault was put in place of ${this.dir} while it was open. Restart authd to use that one`,
      );
    }
    const keeper: KeyKeeper = keyKeepers[header.keySource];
    await keeper.restore?.(this.dir, key);
    if (!there) await writeHeader(this.dir, header);
    this.#log.warn(`The vault ${this.dir} was removed while it was open; it was made again`);
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }
}
