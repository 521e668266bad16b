import { Turns } from "../base/turns.ts";
import { type Consent, type Needs, withConsent } from "./consent.ts";

/** Runs one change of credentials, the vault or its key at a time. */
export class ChangeQueue {
  readonly #turns = new Turns();
  /** Throws AuthdError `vault_locked` while the vault is locked, or just being locked. */
  readonly assertOpen: () => void;

  constructor(assertOpen: () => void) {
    this.assertOpen = assertOpen;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.run(work);
  }

  /** Runs `work` ahead of everything that waits. */
  async runNext<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turns.runNext(work);
  }

  /** Runs `work`. Rejects with AuthdError `vault_locked` if the vault was locked while it waited. */
  async runOpen<T>(work: () => Promise<T>): Promise<T> {
    return await this.run(async () => {
      this.assertOpen();
      return await work();
    });
  }

  /** Runs work that may need a person's consent: see consent.ts. */
  async runWithConsent<T>(ask: Consent, work: (needs: Needs) => Promise<T>): Promise<T> {
    return await withConsent(ask, (turn) => this.run(turn), work);
  }

  /** Runs work that needs an open vault, and may need a person's consent. */
  async runOpenWithConsent<T>(ask: Consent, work: (needs: Needs) => Promise<T>): Promise<T> {
    return await withConsent(ask, (turn) => this.runOpen(turn), work);
  }
}
