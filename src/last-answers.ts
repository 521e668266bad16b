import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "./clock.ts";
import { AuthdError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Notifier } from "./notify.ts";
import type { Registry } from "./registry.ts";

/** How long (ms) after it was told to end the daemon stays at most; the units' stop limits are longer. */
export const LONGEST_STAY = 120_000;
/** The service manager is told so often (ms) that the daemon is still there, and until when to expect the next time. */
const NOTICE = 5_000;
const NEXT_NOTICE = 15_000;

export interface LastAnswersOptions {
  clock: Clock;
  registry: Pick<Registry, "sealing" | "refuse">;
  log: Log;
  notifier: Pick<Notifier, "status" | "extend">;
}

/**
 * Keeps the daemon, at its end, until the answers to requests that spend a rotating refresh token are
 * there and sealed: given up, the session might be lost.
 */
export class LastAnswers {
  readonly #options: LastAnswersOptions;
  #givenUp = false;

  constructor(options: LastAnswersOptions) {
    this.#options = options;
  }

  /** Stops waiting, or does not begin to. */
  giveUp(): void {
    this.#givenUp = true;
  }

  /** Resolves when nothing is to be sealed any more, at `deadline` (monotonic, ms), or with `giveUp`. */
  async wait(deadline: number): Promise<void> {
    const { clock, registry, log, notifier } = this.#options;
    registry.refuse(new AuthdError("shutting_down", "authd is stopping"));
    const { sealing } = registry;
    if (sealing.length === 0) return;
    const seconds = Math.max(0, Math.ceil((deadline - clock.monotonic()) / 1_000));
    const message = `waiting for the issuer's answer to the refresh token of ${sealing.join(", ")}, at most ${seconds} s`;
    log.info(
      {},
      `${message}; another SIGTERM or SIGINT gives it up, and the sign-in may be lost then`,
    );
    notifier.status(message);
    let noticeAt = Number.NEGATIVE_INFINITY;
    while (registry.sealing.length > 0 && !this.#givenUp && clock.monotonic() < deadline) {
      if (clock.monotonic() >= noticeAt) {
        notifier.extend(NEXT_NOTICE);
        noticeAt = clock.monotonic() + NOTICE;
      }
      await sleep(20);
    }
    for (const credential of registry.sealing) log.error({ credential }, unanswered(credential));
  }
}

function unanswered(credential: string): string {
  return `${credential}: authd ends without the issuer's answer to its refresh token. The next start tries that token once more; if it is refused, sign in again and run authd set ${credential}`;
}
