/** Programs on every host that ask for every token all the time. */
import { setTimeout as sleep } from "node:timers/promises";
import { AuthdError } from "../../src/client.ts";
import type { FleetCredential } from "./credential.ts";
import type { FleetHost } from "./host.ts";

/** Between two questions of a program, ms. */
const PAUSE = 100;

export class Programs {
  served = 0;
  /** Tokens that had ended, or that no issuer made. */
  wrong = 0;
  /** Other answers, by their reason. */
  readonly refusals = new Map<string, number>();
  readonly #loops: Promise<void>[];
  #isStopped = false;

  constructor(hosts: readonly FleetHost[], credentials: readonly FleetCredential[]) {
    this.#loops = hosts.flatMap((host) => credentials.map((one) => this.#ask(host, one)));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#loops);
  }

  async #ask({ client }: FleetHost, credential: FleetCredential): Promise<void> {
    while (!this.#isStopped) {
      const askedAt = Date.now();
      try {
        const { accessToken } = await client.getToken({ credential: credential.name });
        if (credential.isGood(accessToken, askedAt)) this.served++;
        else this.wrong++;
      } catch (error) {
        const reason = error instanceof AuthdError ? error.reason : String(error);
        this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
      }
      await sleep(PAUSE);
    }
  }
}
