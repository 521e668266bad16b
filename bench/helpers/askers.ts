/** Clients that ask for a token all the time, whether or not a daemon is there. */
import { setTimeout as sleep } from "node:timers/promises";
import { AuthdError, type Client, connect, NoDaemonError } from "../../src/client.ts";
import type { Subject } from "./subject.ts";

/** Between two calls of one client, ms. */
const PAUSE = 15;

export interface AskersOptions {
  socket: string;
  subjects: readonly Subject[];
  clients: number;
  /** A client was told, or given, what it must not be. */
  onProblem: (subject: Subject, error: unknown) => void;
}

export class Askers {
  readonly counts = { tokens: 0, "not now": 0, "no daemon": 0, "login_required, rightly": 0 };
  /** What those were told that had to try again, and how often. */
  readonly excuses = new Map<string, number>();
  readonly #options: AskersOptions;
  readonly #clients: Client[] = [];
  readonly #loops: Promise<void>[] = [];
  #stopped = false;

  constructor(options: AskersOptions) {
    this.#options = options;
    const { subjects, clients, socket } = options;
    for (let i = 0; i < clients; i++) {
      const client = connect({ socket });
      this.#clients.push(client);
      this.#loops.push(this.#askOn(client, subjects[i % subjects.length]!));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const client of this.#clients) client.close();
    await Promise.all(this.#loops);
  }

  async #askOn(client: Client, subject: Subject): Promise<void> {
    while (!this.#stopped) {
      await this.#ask(client, subject);
      await sleep(PAUSE);
    }
  }

  async #ask(client: Client, subject: Subject): Promise<void> {
    const { losses, lost } = subject;
    const askedAt = Date.now();
    try {
      const result = await client.getToken({ credential: subject.name });
      subject.check(result, askedAt);
      this.counts.tokens++;
    } catch (error) {
      const kind = this.#kindOf(error, lost || losses !== subject.losses);
      if (kind) this.counts[kind]++;
      else this.#options.onProblem(subject, error);
      if (kind === "not now") this.#note(String(error).replace(subject.name, "…"));
    }
  }

  #note(excuse: string): void {
    this.excuses.set(excuse, (this.excuses.get(excuse) ?? 0) + 1);
  }

  #kindOf(error: unknown, wasLost: boolean): keyof Askers["counts"] | undefined {
    if (error instanceof NoDaemonError || this.#stopped) return "no daemon";
    if (!(error instanceof AuthdError)) return undefined;
    // The connection broke twice in one call.
    if (error.reason === "request_failed") return "no daemon";
    if (error.reason === "issuer_unavailable" || error.reason === "timeout") return "not now";
    return error.reason === "login_required" && wasLost ? "login_required, rightly" : undefined;
  }
}
