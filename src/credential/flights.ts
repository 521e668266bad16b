import { setImmediate as nextTurn } from "node:timers/promises";
import type { Grant } from "../grants/grant.ts";
import type { IssuerClocks } from "../http/issuer-clock.ts";
import type { Http } from "../http.ts";
import type { CredentialSettings } from "../settings.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { acquire, type Won } from "./acquire.ts";
import type { Lanes } from "./lanes.ts";
import type { OneTimeCodes } from "./one-time-codes.ts";
import type { CredentialRecord } from "./record.ts";
import { spend } from "./rotation.ts";
import type { Flight, Variant } from "./variant.ts";

/** What one token request is made from: all of the same moment, so that no secret meets another's address. */
export interface FlightPlan {
  settings: CredentialSettings;
  grant: Grant;
  record: CredentialRecord;
  secrets: Readonly<Record<string, string>>;
  /** Tokens issued before, which no error may quote. */
  held: readonly string[];
  /** Seals the record, fsynced; false if the disk fails. Never rejects. */
  seal: () => Promise<boolean>;
  /** The access token that there is will do for now. */
  canWait: () => boolean;
}

interface FlightsOptions {
  http: Http;
  time: Timekeeper;
  lanes: Lanes;
  codes: OneTimeCodes;
  issuerClocks: IssuerClocks;
  /** A flight's pause has begun. */
  onPause: () => void;
}

/** Sends token requests: through the lanes of the issuer's host, and one by one if they spend a refresh token. */
export class Flights {
  /**
   * Under way or waiting for their turn, those included whose token nobody wants any more. One that
   * waits for a one-time code is none: it has nothing to lose.
   */
  count = 0;
  readonly #around: FlightsOptions;
  #spending: Promise<unknown> = Promise.resolve();

  constructor(options: FlightsOptions) {
    this.#around = options;
  }

  /**
   * What the issuer gives for `variant`; rejects with the grant's AuthdError, or with what `plan`
   * throws. It is asked for the plan when the request's turn has come: settings may have been
   * replaced by then.
   */
  async send(variant: Variant, flight: Flight, plan: () => FlightPlan): Promise<Won> {
    this.count++;
    try {
      const inLane = () => this.#inLane(variant, flight, plan);
      return await (plan().grant.rotates === undefined ? inLane() : this.#oneAtATime(inLane));
    } finally {
      this.count--;
    }
  }

  async #inLane(variant: Variant, flight: Flight, plan: () => FlightPlan): Promise<Won> {
    for (;;) {
      const { grant, settings } = plan();
      const waitMs = this.#codeWaitMs(plan());
      if (waitMs > 0) await this.#pause(flight, waitMs);
      const host = hostOf(grant.issuerUrl(settings.own, settings.fields));
      const won = await this.#around.lanes.run(host, flight, async () => {
        // First it is noted what became of the one whose turn this was.
        await nextTurn();
        // Another has sent the code meanwhile.
        if (this.#codeWaitMs(plan()) > 0) return undefined;
        // It may have been in the queue for long: callers bring the next try forward to a time after this.
        variant.triedAt = this.#around.time.now().boot;
        flight.sent = true;
        return await this.#request(variant, plan());
      });
      if (won) return won;
    }
  }

  async #request({ want }: Variant, plan: FlightPlan): Promise<Won> {
    const { settings, grant, record, secrets, held, seal, canWait } = plan;
    const { http, time, issuerClocks } = this.#around;
    const secret = grant.rotates;
    const codeAt = await this.#takeCode(plan);
    const shared = { settings, grant, held, want, codeAt, http, time, issuerClocks };
    if (secret === undefined) return await acquire({ ...shared, secrets });
    const attempt = (token: string) =>
      acquire({ ...shared, secrets: { ...secrets, [secret]: token } });
    const token = secrets[secret] ?? "";
    return await spend({
      record,
      secret,
      token,
      want,
      bootId: time.bootId,
      seal,
      canWait,
      attempt,
    });
  }

  // ---- one-time codes ----

  #codeWaitMs({ grant, settings, secrets }: FlightPlan): number {
    const { wall } = this.#around.time.now();
    const step = grant.timeStep?.(secrets, wall);
    if (!step) return 0;
    return this.#around.codes.waitMs(issuerOf(grant, settings), step, wall);
  }

  /**
   * Notes that the code of now is sent, sealed before it is, so that no restart sends it again. Returns
   * its moment (wall clock, ms); undefined if the request carries none.
   */
  async #takeCode({ grant, settings, secrets, record, seal }: FlightPlan) {
    for (;;) {
      const { wall } = this.#around.time.now();
      const taken = grant.timeStep?.(secrets, wall);
      if (!taken) return undefined;
      this.#around.codes.note(issuerOf(grant, settings), taken);
      record.codeSentAt = wall;
      await seal();
      // A slow disk may have taken longer than the code holds.
      const { wall: later } = this.#around.time.now();
      if (grant.timeStep?.(secrets, later)?.step === taken.step) return wall;
    }
  }

  /** Until the registry's timer ends it. */
  async #pause(flight: Flight, ms: number): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      const end = () => {
        flight.pause = undefined;
        resolve();
      };
      flight.pause = { untilBootMs: this.#around.time.now().boot + ms, end };
    });
    this.count--;
    this.#around.onPause();
    await ended;
    this.count++;
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#spending.then(work, work);
    this.#spending = turn;
    return await turn;
  }
}

/** One issuer for one-time codes, whatever the path of its token endpoint. */
export function issuerOf(grant: Grant, { own, fields }: CredentialSettings): string {
  return hostOf(grant.issuerUrl(own, fields)) ?? "";
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).host;
}
