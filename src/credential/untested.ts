import { grantNamed } from "../grants/index.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { Lifecycle } from "./lifecycle.ts";

/**
 * Records that an API accepted a token that nobody renews. Returns true if that has to be sealed: once for
 * each secret.
 */
export function noteAccepted({ stored: { record } }: Lifecycle, { token }: IssuedToken): boolean {
  if (token.lifetime !== Number.POSITIVE_INFINITY || !record || record.accepted) return false;
  record.accepted = true;
  return true;
}

/**
 * True for a token that a person entered and that nothing has used since: no issuer has looked at it, so
 * nobody knows whether it works.
 */
export function isUntested({ settings, stored, tokens }: Lifecycle): boolean {
  const { issued, lastUsedAt } = tokens.own;
  const { grant, own, fields } = settings;
  if (!issued || stored.record?.accepted || stored.record?.troubles?.test) return false;
  if (grantNamed(grant).issuerUrl(own, fields) !== undefined) return false;
  return lastUsedAt <= issued.token.bornAt;
}
