/** Handles issuers that revoke an access token when the same refresh token brings a newer one, as Ory Hydra does. */

import { normalizeScope } from "../base/scope.ts";
import type { Moment } from "../base/timekeeper.ts";
import { namesScopes } from "../config/policy.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { rotatingSecret } from "../grants/index.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { CredentialRecord } from "./record.ts";
import { backoff } from "./schedule.ts";
import { isLongLived } from "./token.ts";
import type { TokenCache } from "./token-cache.ts";
import type { TokenSlot } from "./token-slot.ts";

/** This often a slot is refreshed at once before it has to wait. */
const FREE_REFRESHES = 3;

/** Returns `single_access_token` of the credential's file; undefined if the file has no such key. */
function singleAccessToken({ own }: CredentialSettings): boolean | undefined {
  return (own as { single_access_token?: boolean }).single_access_token;
}

/** True if a refresh revokes the earlier access tokens: the file says so, or it was seen to. */
export function keepsOneToken(settings: CredentialSettings, record: CredentialRecord): boolean {
  if (rotatingSecret(settings) === undefined) return false;
  return singleAccessToken(settings) ?? record.singleAccessToken ?? false;
}

/** True if it is not known yet whether a refresh revokes the earlier access tokens. */
export function isUnknown(settings: CredentialSettings, record: CredentialRecord): boolean {
  if (rotatingSecret(settings) === undefined) return false;
  return singleAccessToken(settings) === undefined && !record.singleAccessToken;
}

/** Returns the message for people when a revocation is noticed. */
export function revocationMessage(credential: string): string {
  return `${credential}: a refresh for another scope or audience revoked an access token. Its issuer keeps one access token for each refresh token: say single_access_token = true in the credential's file.`;
}

/**
 * True if the credential's own token serves a caller that asks for `scope`, so that the two do not revoke
 * each other. A token requested without a scope carries all that was granted (RFC 6749 section 6). Applies
 * only where the file says that there is one token, and no rule depends on the scope.
 */
export function ownTokenServes(
  settings: CredentialSettings,
  own: TokenSlot,
  scope: string,
): boolean {
  if (singleAccessToken(settings) !== true) return false;
  if (namesScopes(settings.policy)) return false;
  const held = own.issued?.scope ?? (settings.own as { scope?: string }).scope;
  if (held === undefined) return true;
  const scopes = normalizeScope(held).split(" ");
  return normalizeScope(scope)
    .split(" ")
    .every((wanted) => scopes.includes(wanted));
}

/** Returns the slot whose token was requested last; undefined if no slot has a token. */
export function newestSlot(tokens: TokenCache): TokenSlot | undefined {
  let newest: TokenSlot | undefined;
  for (const slot of tokens.all()) {
    const bornAt = slot.issued?.token.bornAt ?? Number.NEGATIVE_INFINITY;
    if (bornAt > (newest?.issued?.token.bornAt ?? Number.NEGATIVE_INFINITY)) newest = slot;
  }
  return newest;
}

/**
 * Drops every token but that of `newest`. Other slots are refreshed at their next use. If that comes too soon
 * again and again, each refresh has to wait longer, or two programs would keep revoking each other's tokens.
 */
export function supersedeOthers(
  newest: TokenSlot,
  tokens: TokenCache,
  { clock }: CredentialDeps,
  now: Moment,
): void {
  for (const slot of tokens.all()) {
    if (slot === newest || !slot.issued) continue;
    slot.rejections = isLongLived(slot.issued.token, now) ? 0 : slot.rejections + 1;
    const failures = slot.rejections - FREE_REFRESHES;
    const delay = backoff({ failures, random: clock.random() });
    slot.rejectionCooldownUntil = failures <= 0 ? 0 : now.boot + delay;
    Object.assign(slot, { issued: undefined, superseded: true, failures: 0, error: undefined });
  }
}

/** Returns the error for a caller whose token was revoked so often that it has to wait. */
export function revokedTooOften(
  credential: string,
  { rejectionCooldownUntil }: TokenSlot,
  now: Moment,
): AuthdError {
  const retryAfterMs = Math.ceil(rejectionCooldownUntil - now.boot);
  const message = `${credential}: programs ask for different scopes or audiences, and each new token revokes the other's; the next one is obtained in ${Math.ceil(retryAfterMs / 1_000)} s. Let them ask for the same, or enter a refresh token of its own for each.`;
  return new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
}
