/** What a person is told whose change was not made. */

import { AuthdError } from "../../errors.ts";
import { hostOfHolder, type StoreEntry } from "../../vault/store/index.ts";
import { StoreRefuses } from "./store-refuses.ts";

/** `why`: the refusal of the store. */
export function notChanged(credential: string, why: string): StoreRefuses {
  return new StoreRefuses("invalid_params", { credential, not: "nothing was changed" }, why);
}

export function notNow(credential: string, why: string, retryAfterMs = 1_000): AuthdError {
  const message = `${credential}: nothing was changed, as ${why}`;
  return new AuthdError("too_busy", message, { credential, retryAfterMs });
}

/** `ms`: time until the lease of the host that is in the way has ended for certain. */
export function inTheWay({ name, lease }: StoreEntry, ms: number): AuthdError {
  const host = lease ? hostOfHolder(lease.holder) : "another host";
  const seconds = Math.ceil(ms / 1_000);
  const why = `${host} is refreshing it, or has ended while it did. Try again once it has told what came of that, or in ${seconds} s`;
  return notNow(name, why, Math.max(1, ms));
}
