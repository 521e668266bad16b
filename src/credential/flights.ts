import { setImmediate as nextTurn } from "node:timers/promises";
import type { Grant } from "../grants/grant.ts";
import type { Http } from "../http.ts";
import type { CredentialSettings } from "../settings.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { acquire, type Won } from "./acquire.ts";
import type { Lanes } from "./lanes.ts";
import type { CredentialRecord } from "./record.ts";
import { spend } from "./rotation.ts";
import type { Flight, Variant } from "./variant.ts";

/** What one token request is made from: all of the same moment, so that no secret meets another's address. */
export interface FlightPlan {
  settings: CredentialSettings;
  grant: Grant;
  record: CredentialRecord;
  secrets: Readonly<Record<string, string>>;
  /** Seals the record, fsynced; false if the disk fails. Never rejects. */
  seal: () => Promise<boolean>;
  /** The access token that there is will do for now. */
  canWait: () => boolean;
}

/** Sends token requests: through the lanes of the issuer's host, and one by one if they spend a refresh token. */
export class Flights {
  /** Under way or waiting for their turn, those included whose token nobody wants any more. */
  count = 0;
  readonly #around: { http: Http; time: Timekeeper; lanes: Lanes };
  #spending: Promise<unknown> = Promise.resolve();

  constructor(around: { http: Http; time: Timekeeper; lanes: Lanes }) {
    this.#around = around;
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

  #inLane(variant: Variant, flight: Flight, plan: () => FlightPlan): Promise<Won> {
    const { grant, settings } = plan();
    const host = hostOf(grant.issuerUrl(settings.own, settings.fields));
    return this.#around.lanes.run(host, flight, async () => {
      // First it is noted what became of the one whose turn this was.
      await nextTurn();
      // It may have been in the queue for long: callers bring the next try forward to a time after this.
      variant.triedAt = this.#around.time.now().boot;
      flight.sent = true;
      return await this.#request(variant, plan());
    });
  }

  #request({ want }: Variant, { settings, grant, record, secrets, seal, canWait }: FlightPlan) {
    const { http, time } = this.#around;
    const secret = grant.rotates;
    const shared = { settings, grant, want, lastAt: record.lastRefreshAt, http, time };
    if (secret === undefined) return acquire({ ...shared, secrets });
    const attempt = (token: string) =>
      acquire({ ...shared, secrets: { ...secrets, [secret]: token } });
    const token = secrets[secret] ?? "";
    return spend({ record, secret, token, want, bootId: time.bootId, seal, canWait, attempt });
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#spending.then(work, work);
    this.#spending = turn;
    return await turn;
  }
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).host;
}
