import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError } from "../errors.ts";
import type { Notifier } from "./notify.ts";

/** After it was told to end the daemon finishes any token request for so long (ms). */
export const GRACE = 5_000;
/** Longest wait (ms) for requests that spend a rotating refresh token; the units' stop limits are longer. */
export const LONGEST_STAY = 120_000;
/** The service manager is told so often (ms) that the daemon is still there, and until when to expect the next time. */
const NOTICE_INTERVAL_MS = 5_000;
const NEXT_NOTICE_MS = 15_000;

export interface LastAnswersOptions {
  clock: Clock;
  registry: Pick<Registry, "pendingRefreshes" | "spending" | "refuse">;
  log: Log;
  notifier: Pick<Notifier, "status" | "extend">;
}

/**
 * Keeps the daemon, at its end, until the answers to requests that spend a rotating refresh token are
 * there and sealed: given up, the session might be lost.
 */
export class LastAnswers {
  readonly #options: LastAnswersOptions;
  #isGivenUp = false;

  constructor(options: LastAnswersOptions) {
    this.#options = options;
  }

  /** Stops waiting, or does not begin to. */
  giveUp(): void {
    this.#isGivenUp = true;
  }

  /** Resolves when nothing is to be awaited any more; `toldAt`: when the daemon was told to end (monotonic, ms). */
  async wait(toldAt: number): Promise<void> {
    const { registry } = this.#options;
    await this.#until(toldAt + GRACE, () => registry.pendingRefreshes === 0);
    // Requests that wait for their turn are not sent any more.
    registry.refuse(new AuthdError("shutting_down", "authd is stopping"));
    const deadline = toldAt + LONGEST_STAY;
    if (registry.spending.length > 0) this.#tell(deadline);
    await this.#until(deadline, () => registry.spending.length === 0);
    for (const credential of registry.spending) {
      this.#options.log.error({ credential }, unanswered(credential));
    }
  }

  #tell(deadline: number): void {
    const { registry, clock, log, notifier } = this.#options;
    const seconds = Math.max(0, Math.ceil((deadline - clock.monotonic()) / 1_000));
    const message = `waiting for the issuer's answer to the refresh token of ${registry.spending.join(", ")}, at most ${seconds} s`;
    const hint = "another SIGTERM or SIGINT gives it up, and the sign-in may be lost then";
    log.info({}, `${message}; ${hint}`);
    notifier.status(message);
  }

  async #until(deadline: number, isOver: () => boolean): Promise<void> {
    const { clock, notifier } = this.#options;
    let noticeAt = Number.NEGATIVE_INFINITY;
    while (!isOver() && !this.#isGivenUp && clock.monotonic() < deadline) {
      if (clock.monotonic() >= noticeAt) {
        notifier.extend(NEXT_NOTICE_MS);
        noticeAt = clock.monotonic() + NOTICE_INTERVAL_MS;
      }
      await sleep(20);
    }
  }
}

function unanswered(credential: string): string {
  return `${credential}: authd ends without the issuer's answer to its refresh token. The next start tries that token once more; if it is refused, sign in again and run authd set ${credential}`;
}
