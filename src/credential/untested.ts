import { grantNamed } from "../grants/index.ts";
import type { IssuedToken } from "./issued-token.ts";
import type { Lifecycle } from "./lifecycle.ts";

/**
 * Records that a program was given a token that nobody renews, or that an API accepted it. Returns true if
 * that has to be sealed: once for each secret.
 */
export function noteUsed({ stored }: Lifecycle, { token }: IssuedToken): boolean {
  if (token.lifetime !== Number.POSITIVE_INFINITY) return false;
  const { record } = stored;
  if (!record || record.used) return false;
  record.used = true;
  return true;
}

/**
 * True for a token that a person entered and that nothing has used since: no issuer has looked at it, so
 * nobody knows whether it works.
 */
export function isUntested({ settings, stored, tokens }: Lifecycle): boolean {
  const { issued, lastUsedAt } = tokens.own;
  const { grant, own, fields } = settings;
  if (!issued || stored.record?.used || stored.record?.troubles?.test) return false;
  if (grantNamed(grant).issuerUrl(own, fields) !== undefined) return false;
  // Records of older versions do not tell of a use.
  return lastUsedAt <= issued.token.bornAt;
}
