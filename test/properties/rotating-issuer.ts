/** An issuer in memory whose refresh tokens rotate, and which notes each that is spent twice. */
import { Readable } from "node:stream";
import {
  type Http,
  HttpFailure,
  type HttpRequest,
  type HttpResponse,
} from "../../src/http/http.ts";
import type { FakeClock } from "../helpers/fake-clock.ts";

/** What becomes of a request: it is answered; its answer is lost, or waits; it is refused and spends nothing. */
export const MODES = ["answers", "loses", "holds", "fails"] as const;
export type Mode = (typeof MODES)[number];

interface Spent {
  atMs: number;
  /** Number of the sign-in, and of the next token. */
  session: number;
  next: number;
  /** A host has got the answer. */
  isDelivered: boolean;
}

export interface RotatingIssuerOptions {
  clock: FakeClock;
  /** A spent refresh token gets its successor once more for so long (ms). */
  graceMs: number;
}

export class RotatingIssuer {
  mode: Mode = "answers";
  /** Refresh tokens that came again when they were not forgiven. */
  readonly twice: string[] = [];
  /** What happened, for people. */
  readonly story: string[] = [];
  readonly #options: RotatingIssuerOptions;
  readonly #spent = new Map<string, Spent>();
  readonly #held = new Set<() => void>();
  #sessions = 0;

  constructor(options: RotatingIssuerOptions) {
    this.#options = options;
  }

  /** A person signs in: returns the first refresh token of a session. */
  signIn(): string {
    this.#sessions++;
    return `refresh-${this.#sessions}-0`;
  }

  /** Lets every answer go that waits. */
  release(): void {
    const held = [...this.#held];
    this.#held.clear();
    for (const go of held) go();
  }

  /** True if a host has got the answer to this refresh token: its successor is known. */
  isAnswered(token: string): boolean {
    return this.#spent.get(token)?.isDelivered === true;
  }

  isSpent(token: string): boolean {
    return this.#spent.has(token);
  }

  /** The way of a host to the issuer; `isDead`: it has been killed, and gets no answer any more. */
  httpFor(host: string, isDead: () => boolean): Http {
    return async (request) => {
      if (isDead()) throw lost();
      const token = new URLSearchParams(`${request.body}`).get("refresh_token") ?? "";
      this.story.push(`    ${host} sends ${token}: ${this.mode}`);
      if (this.mode === "fails") return answer(503, {});
      const spent = this.#spend(token);
      if (!spent) return answer(400, { error: "invalid_grant" });
      if (this.mode === "loses") throw lost();
      if (this.mode === "holds") await this.#hold(request);
      if (isDead()) throw lost();
      spent.isDelivered = true;
      return answer(200, tokensOf(spent));
    };
  }

  #spend(token: string): Spent | undefined {
    const nowMs = this.#options.clock.boot();
    const known = this.#spent.get(token);
    if (known) {
      if (nowMs < known.atMs + this.#options.graceMs) return known;
      this.twice.push(token);
      return undefined;
    }
    const [, session, number] = token.split("-").map(Number);
    const spent = { atMs: nowMs, session: session!, next: number! + 1, isDelivered: false };
    this.#spent.set(token, spent);
    return spent;
  }

  /** Resolves when answers are let go. Rejects when the host waits no longer. */
  async #hold({ signal }: HttpRequest): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#held.add(resolve);
      signal?.addEventListener("abort", () => {
        this.#held.delete(resolve);
        reject(lost());
      });
    });
  }
}

function tokensOf({ session, next }: Spent): object {
  const tokens = { access_token: `token-${session}-${next}`, token_type: "Bearer" };
  return { ...tokens, refresh_token: `refresh-${session}-${next}`, expires_in: 3_600 };
}

function answer(status: number, json: object): HttpResponse {
  const body = Readable.from([Buffer.from(JSON.stringify(json))]);
  return { status, statusText: "", headers: {}, body, connection: {}, reused: false };
}

const lost = () => new HttpFailure("No answer.", { code: "ECONNRESET", sent: true });
