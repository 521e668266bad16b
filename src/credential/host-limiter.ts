import { AuthdError } from "../errors.ts";

/** Token requests under way at once to one issuer host. */
const MAX_REQUESTS_PER_HOST = 4;

/** A piece of work that waits for a lane; `awaited` may become true while it waits. */
export interface QueuedRequest {
  awaited: boolean;
}

interface Queued {
  request: QueuedRequest;
  go: () => void;
}

interface Host {
  busy: number;
  queue: Queued[];
  /** Its last request came to nothing, and it has had work ever since. */
  lastRequestFailed: boolean;
}

/**
 * Whether a wait makes sense: `poor` if the host's last request came to nothing, `none` if this one
 * queues for such a host: it may take as long as all of those before it. What a host was like
 * before it last had nothing to do, perhaps hours ago, is no reason for that.
 */
export type HostHealth = "fair" | "poor" | "none";

/** No token came, and no refusal either. */
function isSilence(error: unknown): boolean {
  if (!(error instanceof AuthdError) || error.reason !== "issuer_unavailable") return false;
  return error.contact?.refusal === undefined;
}

/** Bounds the flights an issuer host; those that a caller waits for go first. */
export class HostLimiter {
  readonly #hosts = new Map<string, Host>();
  /** Hosts whose last request came to nothing. */
  readonly #failingHosts = new Set<string>();
  readonly #hostOf = new WeakMap<QueuedRequest, string>();
  readonly #queued = new WeakSet<QueuedRequest>();

  /**
   * Runs `work` when there is a lane to `host`; without a host at once. `work` may call `leave` to give
   * its lane to the next one before it ends: its host counts as one that does not answer until it does.
   */
  async run<T>(
    host: string | undefined,
    request: QueuedRequest,
    work: (leave: () => void) => Promise<T>,
  ): Promise<T> {
    if (host === undefined) return work(() => {});
    this.#hostOf.set(request, host);
    await this.#enter(host, request);
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
    return this.#failingHosts.has(host);
  }

  health(request: QueuedRequest): HostHealth {
    const host = this.#hostOf.get(request);
    if (host === undefined || !this.#failingHosts.has(host)) return "fair";
    return this.#queued.has(request) && this.#hosts.get(host)?.lastRequestFailed ? "none" : "poor";
  }

  #note(name: string, silent: boolean): void {
    const host = this.#hosts.get(name);
    if (host) host.lastRequestFailed = silent;
    if (silent) this.#failingHosts.add(name);
    else this.#failingHosts.delete(name);
  }

  #enter(name: string, request: QueuedRequest): Promise<void> | undefined {
    const host = this.#hosts.get(name) ?? { busy: 0, queue: [], lastRequestFailed: false };
    this.#hosts.set(name, host);
    if (host.busy < MAX_REQUESTS_PER_HOST) {
      host.busy++;
      return undefined;
    }
    this.#queued.add(request);
    return new Promise((go) => host.queue.push({ request: request, go }));
  }

  #leave(name: string): void {
    const host = this.#hosts.get(name);
    if (!host) return;
    const awaited = host.queue.findIndex(({ request: passenger }) => passenger.awaited);
    const [next] = host.queue.splice(Math.max(0, awaited), 1);
    if (next) {
      // The lane passes straight to the next one.
      this.#queued.delete(next.request);
      next.go();
    } else if (--host.busy === 0) this.#hosts.delete(name);
  }
}
