import type { Counter, Gauge, Registry } from "prom-client";

/** What happened to the store that this host shares with others. */
export interface StoreFigures {
  /** The last question was answered, and all that the store has was taken over since the start. */
  isReached: boolean;
  /** Why the store refuses this host, or what is wrong with its settings; absent: neither, or it can't be reached. */
  refusal?: { message: string; help?: string };
  /** When all that the store has was taken over last, in milliseconds since the epoch; undefined: not yet. */
  syncedAt: number | undefined;
  /** Number of leases that this host holds. */
  leases: number;
  /** Number of records with something that the store has not got yet. */
  pending: number;
  /** Commits since the start, by what came of them. */
  commits: Readonly<Record<"committed" | "lost" | "failed", number>>;
}

type Classes = Pick<typeof import("prom-client"), "Counter" | "Gauge">;

/** Metrics of the store; without one they have no samples. */
export class StoreMetrics {
  readonly #reached: Gauge;
  readonly #synced: Gauge;
  readonly #leases: Gauge;
  readonly #pending: Gauge;
  readonly #commits: Counter<"outcome">;

  constructor({ Counter: CounterClass, Gauge: GaugeClass }: Classes, register: Registry) {
    const registers = [register];
    const gauge = (name: string, help: string) => new GaugeClass({ name, help, registers });
    this.#reached = gauge(
      "authd_store_reachable",
      "1 if the store answered the last question; 0 also until all of it was taken over once, and where it refuses this host.",
    );
    this.#synced = gauge(
      "authd_store_last_sync_timestamp_seconds",
      "When all that the store has was taken over last, in seconds since the epoch.",
    );
    this.#leases = gauge("authd_store_leases", "Leases that this host holds.");
    this.#pending = gauge(
      "authd_store_pending_records",
      "Records with something that the store has not got yet.",
    );
    this.#commits = new CounterClass({
      name: "authd_store_commits_total",
      help: "Commits into the store: committed; lost, as another host was faster; failed, to be sent again.",
      labelNames: ["outcome"],
      registers,
    });
  }

  measure(figures: StoreFigures | undefined): void {
    for (const gauge of [this.#reached, this.#synced, this.#leases, this.#pending]) gauge.remove();
    this.#commits.reset();
    if (!figures) return;
    const { isReached, syncedAt, leases, pending, commits } = figures;
    this.#reached.set(isReached ? 1 : 0);
    if (syncedAt !== undefined) this.#synced.set(syncedAt / 1_000);
    this.#leases.set(leases);
    this.#pending.set(pending);
    for (const [outcome, count] of Object.entries(commits)) this.#commits.inc({ outcome }, count);
  }
}
