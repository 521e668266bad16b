import { createHmac, randomBytes } from "node:crypto";
import type { Timekeeper } from "../base/timekeeper.ts";
import type { TimeStep } from "../base/totp.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { Grant } from "../grants/grant.ts";

/** A clock set back by more than this many steps makes codes that were not sent from here. */
const STEPS_BACK = 2;
/** Time (ms) after which it is asked again whether all credentials have told what they sent. */
const INCOMPLETE_WAIT_MS = 20;

/** The secrets that a one-time code is made from, and the settings that say where it is sent. */
interface CodeSource {
  settings: CredentialSettings;
  grant: Grant;
  secrets: Readonly<Record<string, string>>;
}

/**
 * Remembers which one-time codes were sent, over all credentials: an issuer takes each once (RFC 6238 section
 * 5.2), whoever sends it. Keeps no key, only a digest with a salt of this process.
 */
export class OneTimeCodes {
  readonly #salt = randomBytes(32);
  /** The last time step that a code was sent for, by digest of key and issuer. */
  readonly #lastSteps = new Map<string, number>();
  readonly #isComplete: () => boolean;

  /** `isComplete` returns whether all credentials have noted what they sent before this start. */
  constructor(isComplete: () => boolean = () => true) {
    this.#isComplete = isComplete;
  }

  /** Returns the ms from `now` (wall clock) until there is a code that was not sent; 0: there is one, or none is needed. */
  waitMs({ settings, grant, secrets }: CodeSource, now: number): number {
    const code = grant.timeStep?.(settings.own, secrets, now);
    if (!code) return 0;
    if (!this.#isComplete()) return INCOMPLETE_WAIT_MS;
    const { step, periodMs } = code;
    const last = this.#lastSteps.get(this.#idOf(settings, grant, code));
    if (last === undefined || step > last || step < last - STEPS_BACK) return 0;
    return (last + 1) * periodMs - now;
  }

  /**
   * Notes that the code of now is sent, after `seal` has written that moment, so that no restart sends it
   * again. Returns the moment (wall clock, ms); undefined if the request carries no code.
   */
  async take(
    source: CodeSource,
    time: Timekeeper,
    seal: (sentAt: number) => Promise<unknown>,
  ): Promise<number | undefined> {
    const { settings, grant, secrets } = source;
    for (;;) {
      const { wall } = time.now();
      const code = this.note(source, wall);
      if (!code) return undefined;
      await seal(wall);
      // A slow disk may have taken longer than the code holds.
      if (grant.timeStep?.(settings.own, secrets, time.now().wall)?.step === code.step) return wall;
    }
  }

  /** Notes that the code of `sentAt` (wall clock, ms) goes to the issuer, or went there before this start. */
  note({ settings, grant, secrets }: CodeSource, sentAt: number): TimeStep | undefined {
    const code = grant.timeStep?.(settings.own, secrets, sentAt);
    if (code) this.#lastSteps.set(this.#idOf(settings, grant, code), code.step);
    return code;
  }

  /** One host is one issuer, whatever the path of its token endpoint. */
  #idOf({ own, fields }: CredentialSettings, grant: Grant, { key }: TimeStep): string {
    const url = grant.issuerUrl(own, fields);
    const issuer = url === undefined ? "" : new URL(url).host;
    return createHmac("sha256", this.#salt).update(`${issuer}\n${key}`).digest("base64");
  }
}
