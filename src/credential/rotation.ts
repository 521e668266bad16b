/** Uses a rotating refresh token so that neither a crash nor a lost response loses the session. */

import { createHash } from "node:crypto";
import { AuthdError } from "../errors.ts";
import { rotatedIn } from "../grants/rotated-token.ts";
import { noteKept } from "./kept-values.ts";
import type { CredentialRecord, Rotation, TokenTarget } from "./record.ts";
import { storeLives } from "./refresh-token-life.ts";
import type { TokenResponse } from "./token.ts";

export interface RotationContext {
  record: CredentialRecord;
  /** The name of the secret that rotates. */
  secret: string;
  /** The refresh token that is sent. */
  token: string;
  target: TokenTarget;
  /** Seals the record, fsynced; false if the disk fails (the caller keeps writing). Never rejects. */
  seal: () => Promise<boolean>;
  /** True if nobody needs the new access token yet. */
  canWait: () => boolean;
  /** True while the credential has this record: it was neither removed nor read anew. */
  isCurrent: () => boolean;
  /** A caller's scope or audience, not the refresh token, may be what is refused. */
  isCallers?: boolean;
  /** True if an answer refuses the refresh token, beside `invalid_grant`: in words of the API's own. */
  isRefusal?: (error: AuthdError) => boolean;
  /** Called when a response was lost: a refusal after that is about the refresh token. */
  onLost?: () => void;
  /** A request whose response was lost is not sent again, as other hosts count on that. */
  sendsOnce?: boolean;
  /** Other hosts count on that nothing was sent without a sealed intent: then one can wait for the disk in any case. */
  isShared?: boolean;
  /** The boot of the machine that boot times count from. */
  bootId: string;
  /**
   * Sends one token request with this refresh token. `onRotated` seals the next one, where more is sent before the
   * access token comes.
   */
  attempt: (
    refreshToken: string,
    onRotated: (next: string) => Promise<void>,
  ) => Promise<TokenResponse>;
}

/** The context within one rotation, which seals what an attempt brings. */
type Attempting = Omit<RotationContext, "attempt"> & {
  attempt: (refreshToken: string) => Promise<TokenResponse>;
};

/**
 * Sends a rotating refresh token. An intent is sealed before the request; the new refresh token is sealed
 * before the access token is returned. A lost response is followed by one more request at once, because
 * issuers grant a few seconds for just that. The previous token is sent once if the current one was refused
 * without ever having worked.
 */
export async function refreshRotating(context: RotationContext): Promise<TokenResponse> {
  const { record, token, target, seal, canWait, isCallers = false } = context;
  const rotation: Rotation = record.rotation ?? { worked: false };
  record.rotation = rotation;
  const wasLostBefore = rotation.intent !== undefined;
  let wasLost = wasLostBefore;
  const noteLost = () => {
    wasLost = true;
    context.onLost?.();
  };
  if (wasLostBefore) noteLost();
  const attemptAny = (refreshToken: string) => {
    const onRotated = (next: string) => storeUnused(context, rotation, refreshToken, next);
    return context.attempt(refreshToken, onRotated).catch(async (error) => {
      const next = rotatedIn(error);
      if (next !== undefined) await onRotated(next);
      throw error;
    });
  };
  const attempt = (refreshToken: string) =>
    attemptAny(refreshToken).catch((error) => {
      if (isResponseLost(error)) noteLost();
      throw error;
    });
  rotation.intent = target;
  // Without a sealed intent, authd would not know after a crash that the token may be spent.
  if (!(await seal()) && (context.isShared || (!wasLostBefore && canWait()))) {
    if (!wasLostBefore) delete rotation.intent;
    throw notSpent();
  }
  try {
    const response = await attemptTwice({ ...context, attempt }, rotation, wasLostBefore);
    await storeRotated(context, rotation, token, response);
    return response;
  } catch (error) {
    // At some issuers the previous token ends the session: it is not sent for a scope that may be refused.
    if (!isRefused(error, context) || (isCallers && !wasLost)) throw error;
    return await attemptPrevious({ ...context, attempt: attemptAny }, rotation, error);
  }
}

/**
 * Sends the token, and once more if the response was lost. A response ends the intent. Without one it stays
 * open, so that the next start, too, knows that the token may be spent.
 */
async function attemptTwice(
  { attempt, token, record, isCurrent, sendsOnce, ...context }: Attempting,
  rotation: Rotation,
  wasLostBefore: boolean,
): Promise<TokenResponse> {
  let wasLost = wasLostBefore;
  const isWanted = () => isCurrent() && record.rotation === rotation;
  try {
    return await attempt(token).catch((error) => {
      if (wasLost || sendsOnce || !isResponseLost(error) || !isWanted()) throw error;
      wasLost = true;
      return attempt(token);
    });
  } catch (error) {
    if (isRefused(error, context) || !(wasLost || isResponseLost(error))) delete rotation.intent;
    throw error;
  }
}

/** Sends the previous token. Rejects with `refusal`, the current token's, if the previous one is refused too. */
async function attemptPrevious(
  context: Attempting,
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
    // Neither spent nor refused: it may still work when the issuer is back.
    if (!isRefused(error, context) && !isResponseLost(error)) throw error;
    delete rotation.previous;
    throw refusal;
  }
}

/** Takes over and seals the response to another request with the same refresh token. */
export async function adoptResponse(
  context: RotationContext,
  response: TokenResponse,
): Promise<void> {
  const { record, token } = context;
  record.rotation ??= { worked: false };
  await storeRotated(context, record.rotation, token, response);
}

/** Stores and seals a response. One without a refresh token keeps the token that was sent. */
async function storeRotated(
  { record, secret, bootId, seal, isCallers = false }: RotationContext,
  rotation: Rotation,
  sentToken: string,
  { acquired, sent }: TokenResponse,
): Promise<void> {
  delete rotation.intent;
  // A person entered another refresh token meanwhile, which stays.
  if (record.rotation !== rotation) return;
  const { refreshToken } = acquired;
  const isSame = refreshToken === undefined || refreshToken === sentToken;
  if (isSame) {
    if (record.secrets[secret] !== sentToken) {
      record.secrets = { ...record.secrets, [secret]: sentToken };
    }
    delete rotation.previous;
    rotation.worked = true;
  } else replaceToken(record, secret, rotation, { sentToken, refreshToken });
  noteKept(record, acquired, isCallers);
  storeLives(rotation, { ...sent, bootId }, { ...acquired, isSame });
  await seal();
}

/** Stores and seals the refresh token of an answer without an access token, or with one that can't be used. */
async function storeUnused(
  { record, secret, seal }: RotationContext,
  rotation: Rotation,
  sentToken: string,
  refreshToken: string,
): Promise<void> {
  if (record.rotation !== rotation || refreshToken === sentToken) return;
  if (record.secrets[secret] === refreshToken) return;
  delete rotation.intent;
  replaceToken(record, secret, rotation, { sentToken, refreshToken });
  await seal();
}

function replaceToken(
  record: CredentialRecord,
  secret: string,
  rotation: Rotation,
  { sentToken, refreshToken }: { sentToken: string; refreshToken: string },
): void {
  // A new object, so that StoredRecord can tell that these secrets are not sealed yet.
  record.secrets = { ...record.secrets, [secret]: refreshToken };
  rotation.worked = false;
  // A sign-in that brought it sent none.
  if (sentToken === "") delete rotation.previous;
  else {
    rotation.previous = sentToken;
    rotation.entered ??= tokenDigest(sentToken);
  }
}

/** Begins with the refresh token that a person's sign-in brought. */
export function beginRotation(
  record: CredentialRecord,
  { acquired, sent }: Pick<TokenResponse, "acquired" | "sent">,
  bootId: string,
): void {
  record.rotation = { worked: false };
  storeLives(record.rotation, { ...sent, bootId }, { ...acquired, isSame: false });
}

/** True for the refresh token that a person entered, and for the one before the current: authd sent both. */
export function isSpent({ previous, entered }: Rotation, refreshToken: string): boolean {
  return refreshToken === previous || tokenDigest(refreshToken) === entered;
}

const tokenDigest = (token: string) => createHash("sha256").update(token).digest("base64url");

/** What keeps a refresh token from being spent while no intent can be sealed. */
export function notSpent(): AuthdError {
  return new AuthdError(
    "internal",
    "The refresh token is not spent while the disk can't note that it is and the access token is valid; mend the disk (authd status says what is wrong with it)",
    { contact: { sent: false, answered: false } },
  );
}

/** True if the request was sent and no complete response came: the issuer may have spent the refresh token. */
export function isResponseLost(error: unknown): boolean {
  return error instanceof AuthdError && error.contact?.sent === true && !error.contact.answered;
}

function isRefused(error: unknown, { isRefusal }: Pick<RotationContext, "isRefusal">): boolean {
  // One that replaced what was sent refuses something else.
  if (!(error instanceof AuthdError) || rotatedIn(error) !== undefined) return false;
  return error.oauth?.error === "invalid_grant" || isRefusal?.(error) === true;
}
