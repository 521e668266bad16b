import { createHmac, randomBytes } from "node:crypto";
import type { TimeStep } from "../grants/grant.ts";

/** A clock set back by more than this many steps makes codes that were not sent from here. */
const STEPS_BACK = 2;

/**
 * Which one-time codes were sent, over all credentials: an issuer takes each once (RFC 6238 section
 * 5.2), whoever sends it. Keeps no key, only a digest with a salt of this process.
 */
export class OneTimeCodes {
  readonly #salt = randomBytes(32);
  /** By key and issuer: the last time step that a code was sent for. */
  readonly #lastSteps = new Map<string, number>();

  /** Milliseconds from `now` (wall clock) until there is a code that was not sent; 0: there is one. */
  waitMs(issuer: string, { key, step, periodMs }: TimeStep, now: number): number {
    const last = this.#lastSteps.get(this.#idOf(issuer, key));
    if (last === undefined || step > last || step < last - STEPS_BACK) return 0;
    return (last + 1) * periodMs - now;
  }

  /** The code of this step goes to the issuer, or went there before this start. */
  note(issuer: string, { key, step }: TimeStep): void {
    this.#lastSteps.set(this.#idOf(issuer, key), step);
  }

  #idOf(issuer: string, key: string): string {
    return createHmac("sha256", this.#salt).update(`${issuer}\n${key}`).digest("base64");
  }
}
