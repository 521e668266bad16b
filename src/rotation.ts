import { isLost, type Won } from "./acquire.ts";
import { AuthdError } from "./errors.ts";
import type { CredentialRecord, Rotation, Variation } from "./record.ts";

export interface Spending {
  record: CredentialRecord;
  /** The name of the secret that rotates. */
  secret: string;
  want: Variation;
  /** Seals the record, fsynced; never rejects (the caller keeps writing if the disk fails). */
  seal: () => Promise<void>;
  /** One token request with this refresh token. */
  attempt: (refreshToken: string) => Promise<Won>;
}

/**
 * Spends a rotating refresh token so that a crash or a lost answer costs as little as it can: an
 * intent is sealed first, the new token is sealed before its access token is handed out (the caller
 * does not get to see the result earlier), a lost answer is asked for once more at once, because
 * issuers grant a few seconds for just that, and the previous token is tried once if the current
 * one was refused without ever having worked.
 */
export async function spend(spending: Spending): Promise<Won> {
  const { record, secret, want, seal } = spending;
  const rotation: Rotation = record.rotation ?? { worked: false };
  record.rotation = rotation;
  const alreadyLost = rotation.intent !== undefined;
  rotation.intent = want;
  await seal();
  const current = record.secrets[secret] ?? "";
  try {
    const won = await attemptTwice(spending, current, alreadyLost);
    await keep(spending, rotation, current, won);
    return won;
  } catch (error) {
    // After a lost answer the intent stays: the next start knows that one try is due.
    if (!isLost(error)) delete rotation.intent;
    const { previous } = rotation;
    if (!isRefused(error) || rotation.worked || previous === undefined) throw error;
    delete rotation.previous;
    const won = await spending.attempt(previous).catch(() => {
      throw error;
    });
    await keep(spending, rotation, previous, won);
    return won;
  }
}

async function attemptTwice(
  { attempt }: Spending,
  refreshToken: string,
  alreadyLost: boolean,
): Promise<Won> {
  try {
    return await attempt(refreshToken);
  } catch (error) {
    if (alreadyLost || !isLost(error)) throw error;
    return await attempt(refreshToken);
  }
}

/** An answer without a refresh token keeps the one that was spent. */
async function keep(
  { record, secret, seal }: Spending,
  rotation: Rotation,
  spent: string,
  { acquired, sent }: Won,
): Promise<void> {
  delete rotation.intent;
  // A person entered another one meanwhile: theirs stays.
  if (record.rotation !== rotation) return;
  const { refreshToken, refreshExpiresIn } = acquired;
  if (refreshToken === undefined || refreshToken === spent) {
    record.secrets[secret] = spent;
    rotation.worked = true;
  } else {
    record.secrets[secret] = refreshToken;
    rotation.previous = spent;
    rotation.worked = false;
  }
  noteLifetime(rotation, sent.wall, refreshExpiresIn);
  await seal();
}

/** `lifetime` stays only where a renewal puts the end off: the others would be renewed for nothing. */
function noteLifetime(rotation: Rotation, sentAt: number, seconds: number | undefined): void {
  const before = rotation.expiresAt;
  delete rotation.lifetime;
  delete rotation.expiresAt;
  if (seconds === undefined) return;
  rotation.expiresAt = sentAt + seconds * 1_000;
  if (before === undefined || rotation.expiresAt > before + 1_000) {
    rotation.lifetime = seconds * 1_000;
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof AuthdError && error.oauth?.error === "invalid_grant";
}
