import type { Method } from "../protocol.ts";
import type { ConnectionHandle } from "./call.ts";
import { params } from "./params.ts";
import type { Peer } from "./peer.ts";

/** Names of methods that there are not are anybody's choice: they are not written down. */
const isMethod = (method: string): method is Method => Object.hasOwn(params, method);

/** A client, before anything that it asks for is known. */
export interface Client {
  readonly peer: Peer | undefined;
  readonly connection: ConnectionHandle;
}

/** The part of a refused request that is written down. */
export interface RefusedRequest {
  readonly method: string;
  readonly credential?: string;
}

export interface AdmissionOptions {
  /** True if there is anything that this client may use. */
  mayAsk(client: Client): boolean;
  /** Told of the first request of each connection that is refused. */
  refused?(client: Client, asked: RefusedRequest): void;
}

/** A client that may use nothing is looked at again after so long (ms): a rule may have been added. */
const LOOK_AGAIN_MS = 1_000;

/**
 * Decides for one connection of another user whether what it sends is read at all. A client that
 * no rule lets use any credential is told so, and nothing else, whatever it asks.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #client: Client;
  #isAdmitted = false;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #isNoted = false;

  constructor(options: AdmissionOptions, client: Client) {
    this.#options = options;
    this.#client = client;
  }

  /** True for good once a rule has let the client use anything: its requests are judged one by one. */
  get isAdmitted(): boolean {
    if (this.#isAdmitted) return true;
    const now = performance.now();
    if (now - this.#lookedAtMs < LOOK_AGAIN_MS) return false;
    this.#lookedAtMs = now;
    this.#isAdmitted = this.#options.mayAsk(this.#client);
    return this.#isAdmitted;
  }

  /** Returns the one message that a client without a credential gets. */
  refuse(method: string, given: object): string {
    if (!this.#isNoted) {
      this.#isNoted = true;
      const { credential } = given as { credential?: unknown };
      this.#options.refused?.(this.#client, {
        method: isMethod(method) ? method : "unknown",
        ...(typeof credential === "string" ? { credential } : {}),
      });
    }
    return `User ${this.#client.peer?.uid} may use no credential of this authd: no [[allow]] rule names it.`;
  }
}
