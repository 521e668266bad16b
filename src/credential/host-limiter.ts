import { AuthdError } from "../errors.ts";

/** Token requests sent at once to one issuer host. */
const MAX_REQUESTS_PER_HOST = 4;

/** A request that may have to wait in its host's queue; `awaited` may become true while it waits. */
export interface QueuedRequest {
  awaited: boolean;
}

interface QueueEntry {
  request: QueuedRequest;
  start: () => void;
}

interface Host {
  /** Requests that are being sent. */
  active: number;
  queue: QueueEntry[];
  /** The last request failed, and the queue has not been empty since. */
  lastRequestFailed: boolean;
}

/**
 * Health of a token endpoint's host, which decides how long a caller waits. `failing`: its last request
 * failed. `blocked`: it failed, and this request is queued behind others to it, so that it may take as long
 * as all of them. A failure from before the queue was last empty does not count as `blocked`.
 */
export type HostHealth = "healthy" | "failing" | "blocked";

/** Limits the token requests sent at once to a host; those that a caller waits for go first. */
export class HostLimiter {
  readonly #hosts = new Map<string, Host>();
  /** Hosts whose last request failed. */
  readonly #failingHosts = new Set<string>();
  readonly #hostOf = new WeakMap<QueuedRequest, string>();
  readonly #queued = new WeakSet<QueuedRequest>();

  /**
   * Runs `work` when one of the host's slots is free; without a host at once. `work` may call `release` to
   * free its slot before it ends: until it ends the host counts as failing.
   */
  async run<T>(
    host: string | undefined,
    request: QueuedRequest,
    work: (release: () => void) => Promise<T>,
  ): Promise<T> {
    if (host === undefined) return work(() => {});
    this.#hostOf.set(request, host);
    await this.#acquire(host, request);
    let isReleased = false;
    const release = () => {
      if (!isReleased) this.#release(host);
      isReleased = true;
    };
    try {
      const result = await work(() => {
        if (!isReleased) this.#setFailing(host, true);
        release();
      });
      this.#setFailing(host, false);
      return result;
    } catch (error) {
      // An issuer that refuses has answered.
      this.#setFailing(host, isUnanswered(error));
      throw error;
    } finally {
      release();
    }
  }

  /** True if the host's last request failed. */
  isFailing(host: string): boolean {
    return this.#failingHosts.has(host);
  }

  health(request: QueuedRequest): HostHealth {
    const host = this.#hostOf.get(request);
    if (host === undefined || !this.#failingHosts.has(host)) return "healthy";
    const isBlocked = this.#queued.has(request) && this.#hosts.get(host)?.lastRequestFailed;
    return isBlocked ? "blocked" : "failing";
  }

  #setFailing(name: string, failed: boolean): void {
    const host = this.#hosts.get(name);
    if (host) host.lastRequestFailed = failed;
    if (failed) this.#failingHosts.add(name);
    else this.#failingHosts.delete(name);
  }

  #acquire(name: string, request: QueuedRequest): Promise<void> | undefined {
    const host = this.#hosts.get(name) ?? { active: 0, queue: [], lastRequestFailed: false };
    this.#hosts.set(name, host);
    if (host.active < MAX_REQUESTS_PER_HOST) {
      host.active++;
      return undefined;
    }
    this.#queued.add(request);
    return new Promise((start) => host.queue.push({ request, start }));
  }

  #release(name: string): void {
    const host = this.#hosts.get(name);
    if (!host) return;
    const awaited = host.queue.findIndex(({ request }) => request.awaited);
    const [next] = host.queue.splice(Math.max(0, awaited), 1);
    if (next) {
      // The slot passes straight to the next request, so `active` stays.
      this.#queued.delete(next.request);
      next.start();
    } else if (--host.active === 0) this.#hosts.delete(name);
  }
}

/** True if neither a token nor a refusal came. */
function isUnanswered(error: unknown): boolean {
  if (!(error instanceof AuthdError) || error.reason !== "issuer_unavailable") return false;
  return error.contact?.refusal === undefined;
}
