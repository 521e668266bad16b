import { AuthdError } from "../errors.ts";
import { isTable, type Table } from "./json-table.ts";

/**
 * Throws AuthdError `invalid_params` for a credential file whose `lifetime` leaves another of its own keys
 * without effect. A preset's or a default is overridden.
 */
export function checkLifetime(grant: string, { lifetime, ttl, response }: Table): void {
  if (lifetime === undefined) return;
  if (grant === "static") throw unfit("A static token has no lifetime: leave lifetime out.");
  const { seconds, from } = isTable(lifetime) ? lifetime : {};
  if (ttl !== undefined && (lifetime === "never" || seconds !== undefined)) {
    const key = lifetime === "never" ? 'lifetime = "never"' : "lifetime.seconds";
    throw unfit(`ttl has no effect beside ${key}: leave one of them out.`);
  }
  const { expires_in, expires_at } = isTable(response) ? response : {};
  const other = expires_in !== undefined ? "expires_in" : "expires_at";
  if (from !== undefined && (expires_in ?? expires_at) !== undefined) {
    throw unfit(`lifetime.from and response.${other} say the same: leave one of them out.`);
  }
}

function unfit(message: string): AuthdError {
  return new AuthdError("invalid_params", message);
}
