import type { Client } from "../../client.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { CredentialInfo } from "../../protocol.ts";
import type { View } from "./view.ts";

/** More changes than these at once are read as one list. */
const MAX_SINGLE_READS = 50;
/** Credentials up to which all of them are read at each look, not only those on the screen. */
const FEW = 200;

/**
 * Keeps a view up to date from the daemon: all credentials at first and whenever their number changes,
 * later those that changed and those on the screen, so that 10,000 of them cost the daemon little.
 */
export class Feed {
  readonly #client: Client;
  readonly #view: View;
  readonly #changed = new Set<string>();

  constructor(client: Client, view: View) {
    this.#client = client;
    this.#view = view;
  }

  /** Notes that a credential is to be read again by the next `look`. */
  change(name: string): void {
    this.#changed.add(name);
  }

  /** Reads what may have changed. Without a daemon the view says so, and keeps what it has. */
  async look(): Promise<void> {
    const view = this.#view;
    try {
      const daemon = await this.#client.request("status", {});
      const known = view.credentials.length;
      if (view.offline !== undefined || known !== daemon.credentials || known <= FEW) {
        await this.#readAll();
      } else await this.#readSome();
      view.daemon = daemon;
      view.questions = await this.#questions();
      view.offline = undefined;
    } catch (error) {
      view.offline = messageOf(error);
    }
  }

  async #readAll(): Promise<void> {
    this.#changed.clear();
    this.#view.credentials = (await this.#client.request("credentials/list", {})).credentials;
  }

  async #readSome(): Promise<void> {
    const { arranged, top, page } = this.#view;
    for (const { name } of arranged.slice(top, top + page)) this.#changed.add(name);
    const names = [...this.#changed];
    if (names.length > MAX_SINGLE_READS + page) return await this.#readAll();
    this.#changed.clear();
    const read = await Promise.all(names.map((name) => this.#readOne(name)));
    const fresh = new Map(names.map((name, index) => [name, read[index]]));
    this.#view.credentials = this.#view.credentials.flatMap((info) =>
      fresh.has(info.name) ? (fresh.get(info.name) ?? []) : info,
    );
  }

  /** Undefined for one that was removed meanwhile. */
  async #readOne(credential: string): Promise<CredentialInfo | undefined> {
    try {
      return await this.#client.request("credentials/show", { credential });
    } catch (error) {
      if (error instanceof AuthdError && error.reason === "unknown_credential") return undefined;
      throw error;
    }
  }

  /** Returns how many questions wait; none for who may not answer any. */
  async #questions(): Promise<number> {
    try {
      return (await this.#client.request("approvals/pending", {})).approvals.length;
    } catch (error) {
      if (error instanceof AuthdError && error.reason === "caller_not_allowed") return 0;
      throw error;
    }
  }
}
