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
}

/** Bounds the flights an issuer host; those that a caller waits for go first. */
export class Lanes {
  readonly #hosts = new Map<string, Host>();

  /** Runs `work` when there is a lane to `host`. Without a host at once. */
  async run<T>(host: string | undefined, passenger: Passenger, work: () => Promise<T>): Promise<T> {
    if (host === undefined) return work();
    await this.#enter(host, passenger);
    try {
      return await work();
    } finally {
      this.#leave(host);
    }
  }

  #enter(name: string, passenger: Passenger): Promise<void> | undefined {
    const host = this.#hosts.get(name) ?? { busy: 0, queue: [] };
    this.#hosts.set(name, host);
    if (host.busy < LANES) {
      host.busy++;
      return undefined;
    }
    return new Promise((go) => host.queue.push({ passenger, go }));
  }

  #leave(name: string): void {
    const host = this.#hosts.get(name);
    if (!host) return;
    const awaited = host.queue.findIndex(({ passenger }) => passenger.awaited);
    const [next] = host.queue.splice(Math.max(0, awaited), 1);
    // The lane passes straight to the next one.
    if (next) next.go();
    else if (--host.busy === 0) this.#hosts.delete(name);
  }
}
