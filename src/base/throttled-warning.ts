import type { Unsaved } from "../protocol.ts";
import type { Moment } from "./timekeeper.ts";

/** How long (ms) nothing is said after the first word; each word doubles it, up to the longest. */
const FIRST_SILENCE = 60_000;
const LONGEST_SILENCE = 3_600_000;

/** What could not be sealed, and when that is to be said again: at once, then less and less often. */
export class ThrottledWarning {
  #unsaved: Unsaved | undefined;
  #silence = FIRST_SILENCE;
  /** Boot time. */
  #silentUntil = Number.NEGATIVE_INFINITY;

  /** Undefined: all is sealed. */
  get unsaved(): Unsaved | undefined {
    return this.#unsaved;
  }

  /** True if it is to be said: it is new, more is at stake than before, or the silence is over. */
  shouldReport({ atRisk, message }: Omit<Unsaved, "since">, now: Moment): boolean {
    const before = this.#unsaved;
    this.#unsaved = { since: before?.since ?? now.wall, atRisk, message };
    const isNews = before?.atRisk !== atRisk;
    if (isNews) this.#silence = FIRST_SILENCE;
    else if (now.boot < this.#silentUntil) return false;
    this.#silentUntil = now.boot + this.#silence;
    this.#silence = Math.min(this.#silence * 2, LONGEST_SILENCE);
    return true;
  }

  /** All is sealed. Returns what was not. */
  clear(): Unsaved | undefined {
    const before = this.#unsaved;
    this.#unsaved = undefined;
    this.#silence = FIRST_SILENCE;
    this.#silentUntil = Number.NEGATIVE_INFINITY;
    return before;
  }
}
