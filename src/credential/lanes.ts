import { AuthdError } from "../errors.ts";

/** Token requests under way at once to one issuer host. */
const LANES = 4;

/** A piece of work that waits for a lane; `awaited` may become true while it waits. */
export interface Passenger {
  awaited: boolean;
}

interface Queued {
  passenger: Passenger;
  go: () => void;
}

interface Host {
  busy: number;
  queue: Queued[];
  /** Its last request came to nothing, and it has had work ever since. */
  silent: boolean;
}

/**
 * Whether a wait makes sense: `poor` if the host's last request came to nothing, `none` if this one
 * queues for such a host: it may take as long as all of those before it. What a host was like
 * before it last had nothing to do, perhaps hours ago, is no reason for that.
 */
export type Outlook = "fair" | "poor" | "none";

/** No token came, and no refusal either. */
function isSilence(error: unknown): boolean {
  if (!(error instanceof AuthdError) || error.reason !== "issuer_unavailable") return false;
  return error.contact?.refusal === undefined;
}

/** Bounds the flights an issuer host; those that a caller waits for go first. */
export class Lanes {
  readonly #hosts = new Map<string, Host>();
  /** Hosts whose last request came to nothing. */
  readonly #ailing = new Set<string>();
  readonly #hostOf = new WeakMap<Passenger, string>();
  readonly #queued = new WeakSet<Passenger>();

  /**
   * Runs `work` when there is a lane to `host`; without a host at once. `work` may call `leave` to give
   * its lane to the next one before it ends: its host counts as one that does not answer until it does.
   */
  async run<T>(
    host: string | undefined,
    passenger: Passenger,
    work: (leave: () => void) => Promise<T>,
  ): Promise<T> {
    if (host === undefined) return work(() => {});
    this.#hostOf.set(passenger, host);
    await this.#enter(host, passenger);
    let hasLeft = false;
    const leave = () => {
      if (!hasLeft) this.#leave(host);
      hasLeft = true;
    };
    try {
      const done = await work(() => {
        if (!hasLeft) this.#note(host, true);
        leave();
      });
      this.#note(host, false);
      return done;
    } catch (error) {
      // What it refuses, it has answered.
      this.#note(host, isSilence(error));
      throw error;
    } finally {
      leave();
    }
  }

  /** Whether the host's last request came to nothing. */
  isFailing(host: string): boolean {
    return this.#ailing.has(host);
  }

  outlook(passenger: Passenger): Outlook {
    const host = this.#hostOf.get(passenger);
    if (host === undefined || !this.#ailing.has(host)) return "fair";
    return this.#queued.has(passenger) && this.#hosts.get(host)?.silent ? "none" : "poor";
  }

  #note(name: string, silent: boolean): void {
    const host = this.#hosts.get(name);
    if (host) host.silent = silent;
    if (silent) this.#ailing.add(name);
    else this.#ailing.delete(name);
  }

  #enter(name: string, passenger: Passenger): Promise<void> | undefined {
    const host = this.#hosts.get(name) ?? { busy: 0, queue: [], silent: false };
    this.#hosts.set(name, host);
    if (host.busy < LANES) {
      host.busy++;
      return undefined;
    }
    this.#queued.add(passenger);
    return new Promise((go) => host.queue.push({ passenger, go }));
  }

  #leave(name: string): void {
    const host = this.#hosts.get(name);
    if (!host) return;
    const awaited = host.queue.findIndex(({ passenger }) => passenger.awaited);
    const [next] = host.queue.splice(Math.max(0, awaited), 1);
    if (next) {
      // The lane passes straight to the next one.
      this.#queued.delete(next.passenger);
      next.go();
    } else if (--host.busy === 0) this.#hosts.delete(name);
  }
}
