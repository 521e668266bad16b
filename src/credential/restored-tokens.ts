/** Puts the tokens of a sealed record into the cache, and renews the responses that clients get. */

import type { Moment } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import { grantNamed } from "../grants/index.ts";
import type { CredentialDeps } from "./credential-deps.ts";
import { buildIssuedToken, type HeaderSource } from "./issued-token.ts";
import type { CredentialRecord } from "./record.ts";
import { lastUsedAt, restore } from "./token.ts";
import type { TokenCache } from "./token-cache.ts";
import { acquisitionDigest } from "./token-requests.ts";

/** Restores tokens, also expired ones: a token in use is then refreshed without waiting for a caller. */
export function restoreTokens(
  tokens: TokenCache,
  record: CredentialRecord,
  settings: CredentialSettings,
  { time }: CredentialDeps,
): void {
  // The file was edited while authd was not running: the tokens were obtained with other settings.
  const { obtainedWith } = record;
  if (obtainedWith !== undefined && obtainedWith !== acquisitionDigest(settings)) return;
  const now = time.now();
  const { secrets } = record;
  for (const stored of record.tokens) {
    const slot = tokens.getOrCreate(stored.variant ?? {});
    const restored = { token: restore(stored, now, time.bootId), isRestored: true };
    slot.issued = buildIssuedToken(stored, restored, { settings, secrets }, now);
    slot.lastUsedAt = lastUsedAt(stored, now, time.bootId);
    slot.lastUsedSavedAt = slot.lastUsedAt;
  }
}

/** Rebuilds the responses for clients: headers and the wall-clock expiry can change without a new token. */
export function rebuildResponses(tokens: TokenCache, source: HeaderSource, now: Moment): void {
  for (const slot of tokens.all()) {
    const { issued } = slot;
    if (issued) slot.issued = buildIssuedToken(issued, issued, source, now);
  }
}

/** Notes the one-time code that was sent before this start, so that no credential sends it again. */
export function noteSentCode(
  { secrets, codeSentAt, lastRefreshAt, lastRefreshMs = 0 }: CredentialRecord,
  settings: CredentialSettings,
  { codes }: CredentialDeps,
): void {
  const grant = grantNamed(settings.grant);
  // Records of older versions only tell when the token came, in response to the code.
  const received = lastRefreshAt === undefined ? undefined : lastRefreshAt - lastRefreshMs;
  const sentAt = codeSentAt ?? received;
  if (sentAt !== undefined) codes.note({ settings, grant, secrets }, sentAt);
}
