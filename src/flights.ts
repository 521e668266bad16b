import { acquire, isLost, type Won } from "./acquire.ts";
import { AuthdError } from "./errors.ts";
import type { Grant } from "./grants/grant.ts";
import type { Http } from "./http.ts";
import type { Lanes } from "./lanes.ts";
import type { CredentialRecord } from "./record.ts";
import { spend } from "./rotation.ts";
import type { CredentialSettings } from "./settings.ts";
import type { Timekeeper } from "./timekeeper.ts";
import type { Flight, Variant } from "./variant.ts";

export interface FlightPlan {
  settings: CredentialSettings;
  grant: Grant;
  record: CredentialRecord;
  /** Seals the record, fsynced; never rejects. */
  seal: () => Promise<void>;
}

/** Sends token requests: through the lanes of the issuer's host, and one by one if they spend a refresh token. */
export class Flights {
  readonly #around: { http: Http; time: Timekeeper; lanes: Lanes };
  #spending: Promise<unknown> = Promise.resolve();

  constructor(around: { http: Http; time: Timekeeper; lanes: Lanes }) {
    this.#around = around;
  }

  /** What the issuer gives for `variant`; rejects with the grant's AuthdError. */
  async send(variant: Variant, flight: Flight, plan: FlightPlan): Promise<Won> {
    const { settings, grant, record, seal } = plan;
    const { http, time, lanes } = this.#around;
    const host = hostOf(grant.issuerUrl(settings.own, settings.fields));
    const once = (secrets: Readonly<Record<string, string>>) =>
      lanes.run(host, flight, () =>
        acquire({ settings, grant, secrets, want: variant.want, http, time }),
      );
    const secret = grant.rotates;
    if (secret === undefined) return await once(record.secrets);
    const attempt = (token: string) => once({ ...record.secrets, [secret]: token });
    return await this.#oneAtATime(() =>
      spend({ record, secret, want: variant.want, seal, attempt }),
    );
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#spending.then(work, work);
    this.#spending = turn;
    return await turn;
  }
}

/** Two answers lost in a row while the session may be gone: what there is should be used up first. */
export function usesUpFirst(grant: Grant, failure: AuthdError): boolean {
  return grant.rotates !== undefined && isLost(failure);
}

/** The failure as callers get it: with the time of the next try. */
export function withRetry(
  failure: AuthdError,
  credential: string,
  retryAfterMs: number,
): AuthdError {
  const { reason, message, oauth, contact, cause } = failure;
  return new AuthdError(reason, message, {
    credential,
    retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)),
    ...(oauth ? { oauth } : {}),
    ...(contact ? { contact } : {}),
    cause,
  });
}

function hostOf(url: string | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url).host;
}
