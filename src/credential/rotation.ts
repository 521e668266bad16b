import { createHash } from "node:crypto";
import type { Moment } from "../base/timekeeper.ts";
import { AuthdError } from "../errors.ts";
import { isAnswerLost, type TokenResponse } from "./acquire.ts";
import type { CredentialRecord, Rotation, TokenTarget } from "./record.ts";
import { ageOf, type Stamp } from "./token.ts";

export interface RotationContext {
  record: CredentialRecord;
  /** The name of the secret that rotates. */
  secret: string;
  /** Its value: what is spent. */
  token: string;
  target: TokenTarget;
  /** Seals the record, fsynced; false if the disk fails (the caller keeps writing). Never rejects. */
  seal: () => Promise<boolean>;
  /** Nobody needs the new token yet. */
  canWait: () => boolean;
  /** The credential still has this record: it was not removed or read anew meanwhile. */
  isCurrent: () => boolean;
  /** A caller's scope or audience, not the refresh token, may be what is refused. */
  isCallers?: boolean;
  /** An answer was lost: a refusal after that is about the refresh token. */
  onLost?: () => void;
  /** Which boot of the machine the tries' boot times count from. */
  bootId: string;
  /** One token request with this refresh token. */
  attempt: (refreshToken: string) => Promise<TokenResponse>;
}

/**
 * Spends a rotating refresh token so that a crash or a lost answer costs as little as it can: an
 * intent is sealed first, the new token is sealed before its access token is handed out (the caller
 * does not get to see the result earlier), a lost answer is asked for once more at once, because
 * issuers grant a few seconds for just that, and the previous token is tried once if the current
 * one was refused without ever having worked.
 */
export async function refreshRotating(context: RotationContext): Promise<TokenResponse> {
  const { record, token, target: want, seal, canWait, isCallers = false } = context;
  const rotation: Rotation = record.rotation ?? { worked: false };
  record.rotation = rotation;
  const alreadyLost = rotation.intent !== undefined;
  let wasLost = alreadyLost;
  const noteLost = () => {
    wasLost = true;
    context.onLost?.();
  };
  if (alreadyLost) noteLost();
  const attempt = (refreshToken: string) =>
    context.attempt(refreshToken).catch((error) => {
      if (isAnswerLost(error)) noteLost();
      throw error;
    });
  rotation.intent = want;
  // Ended now, authd would not know at its next start that the token may be spent.
  if (!(await seal()) && !alreadyLost && canWait()) {
    delete rotation.intent;
    throw notSpent();
  }
  try {
    const response = await attemptTwice({ ...context, attempt }, rotation, alreadyLost);
    await storeRotated(context, rotation, token, response);
    return response;
  } catch (error) {
    // At some issuers the previous token ends the session: not for a scope that may be refused.
    if (!isRefused(error) || (isCallers && !wasLost)) throw error;
    return await attemptPrevious(context, rotation, error);
  }
}

/**
 * The intent ends with an answer. One that was lost leaves it open, whatever a second try comes to
 * that brings none: the next start, too, knows that the token may be spent.
 */
async function attemptTwice(
  { attempt, token, record, isCurrent }: RotationContext,
  rotation: Rotation,
  alreadyLost: boolean,
): Promise<TokenResponse> {
  let lost = alreadyLost;
  const isWanted = () => isCurrent() && record.rotation === rotation;
  try {
    return await attempt(token).catch((error) => {
      if (lost || !isAnswerLost(error) || !isWanted()) throw error;
      lost = true;
      return attempt(token);
    });
  } catch (error) {
    if (isRefused(error) || !(lost || isAnswerLost(error))) delete rotation.intent;
    throw error;
  }
}

/** Rejects with `refusal`, the current token's, if that is the last word on the previous one as well. */
async function attemptPrevious(
  context: RotationContext,
  rotation: Rotation,
  refusal: unknown,
): Promise<TokenResponse> {
  const { previous, worked } = rotation;
  const isWanted = context.isCurrent() && context.record.rotation === rotation;
  if (worked || previous === undefined || !isWanted) throw refusal;
  try {
    const response = await context.attempt(previous);
    await storeRotated(context, rotation, previous, response);
    return response;
  } catch (error) {
    // Not spent, not refused: it may still do when the issuer is back.
    if (!isRefused(error) && !isAnswerLost(error)) throw error;
    delete rotation.previous;
    throw refusal;
  }
}

/** Takes over what the answer to another request with this very refresh token brought, and seals it. */
export async function adopt(context: RotationContext, response: TokenResponse): Promise<void> {
  const { record, token } = context;
  record.rotation ??= { worked: false };
  await storeRotated(context, record.rotation, token, response);
}

/** An answer without a refresh token keeps the one that was spent. */
async function storeRotated(
  { record, secret, bootId, seal }: RotationContext,
  rotation: Rotation,
  spent: string,
  { acquired, sent }: TokenResponse,
): Promise<void> {
  delete rotation.intent;
  // A person entered another one meanwhile: theirs stays.
  if (record.rotation !== rotation) return;
  const { refreshToken, refreshExpiresIn } = acquired;
  if (refreshToken === undefined || refreshToken === spent) {
    if (record.secrets[secret] !== spent) record.secrets = { ...record.secrets, [secret]: spent };
    delete rotation.previous;
    rotation.worked = true;
  } else {
    // As a whole: who kept the object that was sealed can tell that this one is not yet.
    record.secrets = { ...record.secrets, [secret]: refreshToken };
    rotation.previous = spent;
    rotation.entered ??= digestOf(spent);
    rotation.worked = false;
  }
  noteLifetime(rotation, { ...sent, bootId }, refreshExpiresIn);
  await seal();
}

/** True for the refresh token that a person entered, and for the one before the current: authd spent both. */
export function isSpent({ previous, entered }: Rotation, refreshToken: string): boolean {
  return refreshToken === previous || digestOf(refreshToken) === entered;
}

const digestOf = (token: string) => createHash("sha256").update(token).digest("base64url");

/** `lifetime` stays only where a renewal puts the end off: the others would be renewed for nothing. */
function noteLifetime(rotation: Rotation, sent: Stamp, seconds: number | undefined): void {
  const before = sessionLeft(rotation, sent, sent.bootId);
  delete rotation.lifetime;
  delete rotation.expiresAt;
  delete rotation.obtainedAt;
  if (seconds === undefined) return;
  const lifetime = seconds * 1_000;
  rotation.expiresAt = sent.wall + lifetime;
  rotation.obtainedAt = sent;
  if (before === undefined || lifetime > before + 1_000) rotation.lifetime = lifetime;
}

/**
 * How long the refresh token itself still lives (ms), if the issuer told: on the boot clock while
 * the machine runs, or a wall clock set back would let it run out unnoticed. None is left to count
 * on for one that comes from the future.
 */
export function sessionLeft(rotation: Rotation, now: Moment, bootId: string): number | undefined {
  const { expiresAt, obtainedAt } = rotation;
  if (expiresAt === undefined) return undefined;
  if (obtainedAt === undefined) return expiresAt - now.wall;
  const age = ageOf(obtainedAt, now, bootId);
  return age < 0 ? 0 : expiresAt - obtainedAt.wall - age;
}

function notSpent(): AuthdError {
  return new AuthdError(
    "internal",
    "The refresh token is not spent while the disk can't note that it is and the access token is valid; mend the disk (authd status says what is wrong with it)",
    { contact: { sent: false, answered: false } },
  );
}

function isRefused(error: unknown): boolean {
  return error instanceof AuthdError && error.oauth?.error === "invalid_grant";
}
