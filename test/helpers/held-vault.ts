import type { CredentialRecord } from "../../src/credential/record.ts";
import type { KeySource, ManagedVault, Vault, WriteOptions } from "../../src/vault/vault.ts";

/** A real vault whose changes wait, or fail, while a test says so. */
export class HeldVault implements Vault<CredentialRecord> {
  /** Changes fail with it, after those before them: a disk has them one after another, too. */
  broken: Error | undefined;
  /** Runs each change. */
  inTurn = (change: () => Promise<void>): Promise<void> => change();
  /** Changes that were asked for and wait. */
  waiting = 0;
  readonly #vault: ManagedVault<CredentialRecord>;
  #released: Promise<void> | undefined;

  constructor(vault: ManagedVault<CredentialRecord>) {
    this.#vault = vault;
  }

  get keySource(): KeySource {
    return this.#vault.keySource;
  }

  get locked(): string | undefined {
    return this.#vault.locked;
  }

  /** From now on every change waits, until what this returns is called. */
  hold(): () => void {
    let release = () => {};
    this.#released = new Promise((resolve) => {
      release = () => {
        this.#released = undefined;
        resolve();
      };
    });
    return release;
  }

  names = () => this.#vault.names();
  knows = (name: string) => this.#vault.knows(name);
  isGuarded = (name: string) => this.#vault.isGuarded(name);
  anyGuarded = () => this.#vault.anyGuarded();
  read = (name: string) => this.#vault.read(name);
  ensure = () => this.#vault.ensure();
  unlock = () => this.#vault.unlock();
  release = (name: string) => this.#vault.release(name);
  close = () => this.#vault.close();

  async write(name: string, content: CredentialRecord, options: WriteOptions) {
    const asOfNow = structuredClone(content);
    await this.#change(() => this.#vault.write(name, asOfNow, options));
  }

  async remove(name: string) {
    await this.#change(() => this.#vault.remove(name));
  }

  async #change(work: () => Promise<void>): Promise<void> {
    this.waiting++;
    await this.#released;
    this.waiting--;
    const { broken } = this;
    if (!broken) return await this.inTurn(work);
    await this.#vault.settled();
    throw broken;
  }
}
