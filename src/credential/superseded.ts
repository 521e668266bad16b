/** Tokens that an issuer revoked because it gave a newer one for the same refresh token, as Ory Hydra does. */

import { normalizeScope } from "../base/scope.ts";
import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";
import { grantNamed } from "../grants/index.ts";
import { backoff } from "./backoff.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import type { CredentialRecord } from "./record.ts";
import type { TokenCache } from "./token-cache.ts";
import type { TokenSlot } from "./token-slot.ts";

/** A token that lived so long (ms), or half its life, was not lost to programs that revoke each other's in turn. */
const LONG_ENOUGH = 600_000;

/** So often a variant is obtained anew at once, until it has to wait. */
const FREE = 3;

/** The key of the credential's file; undefined if it does not say. */
export function singleAccessToken({ own }: CredentialSettings): boolean | undefined {
  return (own as { single_access_token?: boolean }).single_access_token;
}

/** Whether a refresh revokes the access tokens before it: the file says so, or it was seen to. */
export function keepsOneToken(settings: CredentialSettings, record: CredentialRecord): boolean {
  if (grantNamed(settings.grant).rotates === undefined) return false;
  return singleAccessToken(settings) ?? record.singleAccessToken ?? false;
}

/** True if nothing tells yet whether a refresh revokes the access tokens before it. */
export function mayNotice(settings: CredentialSettings, record: CredentialRecord): boolean {
  if (grantNamed(settings.grant).rotates === undefined) return false;
  return singleAccessToken(settings) === undefined && !record.singleAccessToken;
}

/** What people are told when it is noticed. */
export function wasRevoked(credential: string): string {
  return `${credential}: a refresh for another scope or audience revoked an access token. Its issuer keeps one access token for each refresh token: say single_access_token = true in the credential's file.`;
}

/**
 * True if the credential's own token serves a caller that asks for `scope`, so that the two do not
 * revoke each other. Without a scope of its own it carries all that was granted (RFC 6749 section 6).
 * Only where the file says that there is one token, and no rule depends on the scope.
 */
export function ownServes(settings: CredentialSettings, own: TokenSlot, scope: string): boolean {
  if (singleAccessToken(settings) !== true) return false;
  const rules = [...(settings.policy?.allow ?? []), ...(settings.policy?.deny ?? [])];
  if (rules.some(({ scopes }) => scopes !== undefined)) return false;
  const held = own.issued?.scope ?? (settings.own as { scope?: string }).scope;
  if (held === undefined) return true;
  const scopes = normalizeScope(held).split(" ");
  return normalizeScope(scope)
    .split(" ")
    .every((wanted) => scopes.includes(wanted));
}

/** The variant whose token was requested last; undefined if there is no token. */
export function newestOf(tokens: TokenCache): TokenSlot | undefined {
  let newest: TokenSlot | undefined;
  for (const slot of tokens.all()) {
    const bornAt = slot.issued?.token.bornAt ?? Number.NEGATIVE_INFINITY;
    if (bornAt > (newest?.issued?.token.bornAt ?? Number.NEGATIVE_INFINITY)) newest = slot;
  }
  return newest;
}

/**
 * Drops every token but that of `newest`. Those variants are obtained anew at their next use: each
 * time sooner than before the next one has to wait longer, or two programs would keep revoking each
 * other's tokens.
 */
export function supersedeOthers(
  newest: TokenSlot,
  tokens: TokenCache,
  { clock }: CredentialDeps,
  now: Moment,
): void {
  for (const slot of tokens.all()) {
    if (slot === newest || !slot.issued) continue;
    const { bornAt, lifetime } = slot.issued.token;
    const isOld = now.boot - bornAt >= Math.min(LONG_ENOUGH, lifetime / 2);
    const rejections = isOld ? 0 : slot.rejections + 1;
    const about = { failures: rejections - FREE, random: clock.random() };
    const rejectionsHold = rejections <= FREE ? 0 : now.boot + backoff(about);
    const none = { issued: undefined, superseded: true, failures: 0, error: undefined };
    Object.assign(slot, { ...none, rejections, rejectionCooldownUntil: rejectionsHold });
  }
}

/** The error for a caller whose token was revoked so often that it has to wait. */
export function revoked(
  credential: string,
  { rejectionCooldownUntil: rejectionsHold }: TokenSlot,
  now: Moment,
): AuthdError {
  const retryAfterMs = Math.ceil(rejectionsHold - now.boot);
  const message = `${credential}: programs ask for different scopes or audiences, and each new token revokes the other's; the next one is obtained in ${Math.ceil(retryAfterMs / 1_000)} s. Let them ask for the same, or enter a refresh token of its own for each.`;
  return new AuthdError("issuer_unavailable", message, { credential, retryAfterMs });
}
