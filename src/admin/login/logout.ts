/** Ends a sign-in: revokes its tokens at the issuer (RFC 7009), and forgets them. */
import type { Credential } from "../../credential/credential.ts";
import type { HeldSession } from "../../credential/sign-in.ts";
import { AuthdError } from "../../errors.ts";
import { revoke } from "../../grants/login/index.ts";
import type { ChangeQueue } from "../change-queue.ts";
import type { Consent, Needs } from "../consent.ts";

export interface LogoutResult {
  revoked: boolean;
  /** Says how it went, for a person. */
  detail: string;
}

const DETAILS = {
  all: "its tokens are revoked at the issuer",
  session:
    "its session is revoked at the issuer, which takes back no access tokens: they live until they expire",
  none: "its issuer names no address to revoke tokens at, so they live until they expire",
} as const;

/** Asks a person where the credential is restricted. */
interface Agreement {
  asked: Consent;
  restricted: () => string | undefined;
}

/** Tokens that a refresh brings while others are revoked are revoked as well, so many times. */
const MAX_ROUNDS = 3;

/** The tokens are forgotten also if the issuer can't be reached. Rejects with AuthdError if nobody is signed in. */
export async function logout(
  credential: Credential,
  changes: ChangeQueue,
  { asked, restricted }: Agreement,
): Promise<LogoutResult> {
  const inTurn = <T>(work: (needs: Needs) => Promise<T>) => changes.runOpenWithConsent(asked, work);
  // The issuer may take long: others need not wait for it.
  const first = await inTurn(async (needs) => {
    const { heldSession } = credential;
    if (!heldSession) throw nobodySignedIn(credential.name);
    needs(restricted());
    return heldSession;
  });
  await credential.whenFree();
  let held = first;
  for (let round = 1; ; round++) {
    const result = await revokeAll(credential, held);
    const next = await changes.runOpen(() => forget(credential, held, round === MAX_ROUNDS));
    if (next === "forgotten") return result;
    if (next === "replaced") return { ...result, detail: `${result.detail}; ${REPLACED}` };
    held = next;
  }
}

const REPLACED = "somebody signed in again meanwhile, which is left as it is";

/**
 * Forgets the session that was revoked. Returns the session of now instead if a refresh has brought it another
 * refresh token, unless `isLast`. A sign-in of meanwhile stays.
 */
async function forget(
  credential: Credential,
  revoked: HeldSession,
  isLast: boolean,
): Promise<"forgotten" | "replaced" | HeldSession> {
  const { heldSession: now } = credential;
  // Another client has signed out as well.
  if (!now) return "forgotten";
  if (now.signedInAt !== revoked.signedInAt) return "replaced";
  if (now.refreshToken !== revoked.refreshToken && !isLast) return now;
  await credential.signOut();
  return "forgotten";
}

async function revokeAll(credential: Credential, held: HeldSession): Promise<LogoutResult> {
  try {
    const { context } = await credential.loginStart();
    const revoked = await revoke(context, held);
    return { revoked: revoked !== "none", detail: DETAILS[revoked] };
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    return {
      revoked: false,
      detail: `its tokens are forgotten here, but could not be revoked: ${error.message}`,
    };
  }
}

function nobodySignedIn(credential: string): AuthdError {
  const message = `${credential}: nobody is signed in; to sign in: authd login ${credential}`;
  return new AuthdError("invalid_params", message, { credential });
}
