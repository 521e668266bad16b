import { AuthdError } from "../errors.ts";
import { lifetimeKey } from "../grants/response-settings.ts";
import { isTable, type Table } from "./json-table.ts";

/**
 * Throws AuthdError `invalid_params` for a credential file whose `lifetime` leaves another of its own keys
 * without effect. A preset's or a default is overridden.
 */
export function checkLifetime(grant: string, { lifetime, ttl, response }: Table): void {
  if (lifetime === undefined) return;
  if (grant === "static") throw unfit("A static token has no lifetime: leave lifetime out.");
  const { seconds, from } = isTable(lifetime) ? lifetime : {};
  const place = isTable(response) ? lifetimeKey(response) : undefined;
  const idle = ttl === undefined ? place : "ttl";
  if (idle !== undefined && (lifetime === "never" || seconds !== undefined)) {
    const key = lifetime === "never" ? 'lifetime = "never"' : "lifetime.seconds";
    throw unfit(`${idle} has no effect beside ${key}: leave one of them out.`);
  }
  if (from !== undefined && place !== undefined) {
    throw unfit(`lifetime.from and ${place} say the same: leave one of them out.`);
  }
}

function unfit(message: string): AuthdError {
  return new AuthdError("invalid_params", message);
}
