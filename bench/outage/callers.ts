/** Programs that ask for tokens all through an outage, and what they were told. */
import { setTimeout as sleep } from "node:timers/promises";
import { AuthdError, type Client } from "../../src/client.ts";

/** Between two questions of one program, ms. */
const PAUSE = 1_000;
/** A token that has less left (ms) may be gone before its question is answered. */
const ALMOST_OVER = 500;
/** Of each kind of wrong, so many are told. */
const TOLD = 3;

/** What must not be. */
export type Wrong = "failed although valid" | "expired token" | "wrong refusal";

export class Callers {
  /** Milliseconds of each answer with a token. */
  readonly served: number[] = [];
  /** Milliseconds of each refusal. */
  readonly refused: number[] = [];
  readonly wrongs: Record<Wrong, number> = {
    "failed although valid": 0,
    "expired token": 0,
    "wrong refusal": 0,
  };
  readonly told: string[] = [];
  readonly #loops: Promise<void>[] = [];
  #stopped = false;

  constructor(clients: readonly Client[], names: readonly string[]) {
    names.forEach((name, i) => {
      this.#loops.push(this.#askOn(clients[i % clients.length]!, name));
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #askOn(client: Client, name: string): Promise<void> {
    await sleep(Math.random() * PAUSE);
    let validUntil = 0;
    while (!this.#stopped) {
      validUntil = await this.#ask(client, name, validUntil);
      await sleep(PAUSE * (0.5 + Math.random()));
    }
  }

  /** Resolves with when the newest token that it was given expires; wall clock, ms. */
  async #ask(client: Client, name: string, validUntil: number): Promise<number> {
    const askedAt = Date.now();
    const startedAt = performance.now();
    try {
      const { expiresAt } = await client.getToken({ credential: name });
      this.served.push(performance.now() - startedAt);
      if (expiresAt !== null && expiresAt <= askedAt) this.#note("expired token", name);
      return expiresAt ?? 0;
    } catch (error) {
      this.refused.push(performance.now() - startedAt);
      if (validUntil - askedAt > ALMOST_OVER) {
        this.#note("failed although valid", `${name}: ${error}`);
      }
      if (!isRight(error)) this.#note("wrong refusal", `${name}: ${error}`);
      return validUntil;
    }
  }

  #note(wrong: Wrong, detail: string): void {
    if (this.wrongs[wrong]++ < TOLD) this.told.push(`${wrong}: ${detail}`);
  }
}

function isRight(error: unknown): boolean {
  return (
    error instanceof AuthdError &&
    error.reason === "issuer_unavailable" &&
    (error.retryAfterMs ?? 0) > 0
  );
}
