import type { Client } from "pg";
import { CHANNEL } from "./queries.ts";

/** Time (ms) after which a connection that was lost, or could not be made, is made again. */
const RETRY_MS = 1_000;

/** Listens for notices on a connection of its own, which is made again whenever it is lost. */
export class Listener {
  readonly #newClient: () => Client;
  readonly #onChange: (name: string | undefined) => void;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `onChange` is called with undefined whenever notices may have been lost. */
  constructor(newClient: () => Client, onChange: (name: string | undefined) => void) {
    this.#newClient = newClient;
    this.#onChange = onChange;
    void this.#listen();
  }

  async #listen(): Promise<void> {
    const client = this.#newClient();
    this.#client = client;
    client.on("notification", ({ payload }) => this.#onChange(payload));
    client.on("error", () => this.#onLost(client));
    client.on("end", () => this.#onLost(client));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.#onChange(undefined);
    } catch {
      this.#onLost(client);
    }
  }

  #onLost(client: Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => {});
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#listen(), RETRY_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }
}
