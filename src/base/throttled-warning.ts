import type { Unsaved } from "../protocol.ts";
import type { Moment } from "./timekeeper.ts";

/** Time (ms) after the first report without another; each report doubles it, up to the longest. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 3_600_000;

/**
 * Remembers that a write to the vault failed, and says when to report it again: at once, then after a
 * minute, doubling up to an hour.
 */
export class ThrottledWarning {
  #unsaved: Unsaved | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #reportAtBootMs = Number.NEGATIVE_INFINITY;

  /** The failure; undefined if everything is written. */
  get unsaved(): Unsaved | undefined {
    return this.#unsaved;
  }

  /** Notes a failure. Returns true if it is to be reported: it is new, puts other things at risk, or the pause is over. */
  shouldReport({ atRisk, message }: Omit<Unsaved, "since">, now: Moment): boolean {
    const before = this.#unsaved;
    this.#unsaved = { since: before?.since ?? now.wall, atRisk, message };
    const isNews = before?.atRisk !== atRisk;
    if (isNews) this.#pauseMs = FIRST_PAUSE_MS;
    else if (now.boot < this.#reportAtBootMs) return false;
    this.#reportAtBootMs = now.boot + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    return true;
  }

  /** Notes that everything is written. Returns the failure before, if there was one. */
  clear(): Unsaved | undefined {
    const before = this.#unsaved;
    this.#unsaved = undefined;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#reportAtBootMs = Number.NEGATIVE_INFINITY;
    return before;
  }
}
