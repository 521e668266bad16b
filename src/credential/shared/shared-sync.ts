import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { messageOf } from "../../errors.ts";
import type { Store } from "../../vault/store/index.ts";
import type { SharedRecords } from "./shared-records.ts";
import { refusalText } from "./store-connection.ts";

/** The store is asked this often (ms) what has changed: notices get lost. */
const POLL_MS = 2_000;
/** This host says this often (ms) that it runs. */
const SEEN_MS = 30_000;

/** Follows what other hosts commit: by the store's notices, and by asking now and then. */
export class SharedSync {
  readonly #shared: SharedRecords;
  readonly #clock: Clock;
  readonly #log: Log;
  #change = -1;
  #timer: Timer | undefined;
  /** What is watched: the store of one connection, and another one once that was closed. */
  #watched: { store: Store; end: () => void } | undefined;
  #polling: Promise<void> | undefined;
  #seenAtBootMs = Number.NEGATIVE_INFINITY;
  #isStopped = true;
  /** When all that the store has was taken over last (wall clock, ms); undefined: not since the start. */
  syncedAt: number | undefined;

  constructor(shared: SharedRecords, clock: Clock, log: Log) {
    this.#shared = shared;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when what the store has was taken over, or it can't be reached. */
  async start(): Promise<void> {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#shared.resume();
    this.#change = -1;
    await this.poll();
  }

  /** Ends the connection, and wipes the key of the records. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.syncedAt = undefined;
    this.#timer?.cancel();
    await this.#shared.halt();
    await this.#polling;
    this.#watched?.end();
    this.#watched = undefined;
    await this.#shared.connection.close();
  }

  /** Asks now. Never rejects. */
  async poll(): Promise<void> {
    this.#polling ??= this.#ask()
      .catch(() => {})
      .finally(() => {
        this.#polling = undefined;
        this.#timer?.cancel();
        if (this.#isStopped) return;
        this.#timer = this.#clock.schedule(POLL_MS, () => void this.poll());
      });
    await this.#polling;
  }

  async #ask(): Promise<void> {
    const { connection, pending } = this.#shared;
    const { problem: before, refusal } = connection;
    const answer = await connection
      .ask((store) => store.changesSince(this.#change))
      .catch((error) => {
        if (connection.problem !== before) this.#log.warn({}, messageOf(error));
        throw error;
      });
    if (before !== undefined) this.#log.info({}, "the store is reached again");
    const mistake = connection.refusal;
    if (mistake && mistake.message !== refusal?.message) this.#log.warn({}, refusalText(mistake));
    const { recovery } = this.#shared;
    recovery.sawChange(answer.change);
    const behind = this.#shared.takeBehind();
    const taken = answer.entries.map((entry) => this.#shared.take(entry));
    // Only now: whoever asks with this number is not told of them again.
    this.#change = answer.change;
    await Promise.all([...taken, ...behind.map((name) => this.#shared.pull(name))]);
    await this.#follow();
    this.syncedAt = this.#clock.wall();
    if (recovery.isOpen) return await this.#shared.recover();
    await Promise.all([...pending].map((name) => this.#shared.reconcile(name)));
  }

  /** Never rejects: what fails is done with the next question. */
  async #follow(): Promise<void> {
    try {
      await this.#watch();
      await this.#tellSeen();
    } catch (error) {
      this.#log.debug({}, messageOf(error));
    }
  }

  async #watch(): Promise<void> {
    await this.#shared.connection.use(({ store }) => {
      if (this.#watched?.store === store) return;
      this.#watched?.end();
      const end = store.watch((name) => {
        if (name === undefined) void this.poll();
        else void this.#shared.pull(name);
      });
      this.#watched = { store, end };
    });
  }

  async #tellSeen(): Promise<void> {
    const { recovery, nowBootMs, connection, host } = this.#shared;
    if (recovery.isOpen || nowBootMs < this.#seenAtBootMs + SEEN_MS) return;
    await connection.use(({ store }) => store.seen(host));
    this.#seenAtBootMs = nowBootMs;
  }
}
