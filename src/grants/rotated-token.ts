/**
 * Refresh tokens of answers whose access token can't be used, as a place of the file may be wrong: the token that
 * was sent is spent all the same. They are kept beside the error, never in it, so that nothing can show them.
 */
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";

const rotated = new WeakMap<object, string>();

/** Returns the error of such an answer: a complete one, as its refresh token is not lost. */
export function withRotated(error: AuthdError, refreshToken: string): AuthdError {
  const { reason, message, credential, endpoint, oauth, retryAfterMs, cause } = error;
  const contact = { ...(error.contact ?? { lasting: true }), sent: true, answered: true };
  const kept = new AuthdError(reason, message, {
    ...{ contact, cause },
    ...omitUndefined({ credential, endpoint, oauth, retryAfterMs }),
  });
  rotated.set(kept, refreshToken);
  return kept;
}

/** Returns the refresh token that came with an answer that is an error otherwise. */
export function rotatedIn(error: unknown): string | undefined {
  return error instanceof AuthdError ? rotated.get(error) : undefined;
}
