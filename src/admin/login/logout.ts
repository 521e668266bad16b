/** Ends a sign-in: revokes its tokens at the issuer (RFC 7009), and forgets them. */
import type { Credential } from "../../credential/credential.ts";
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

/** The tokens are forgotten also if the issuer can't be reached. Rejects with AuthdError if nobody is signed in. */
export async function logout(
  credential: Credential,
  changes: ChangeQueue,
  { asked, restricted }: Agreement,
): Promise<LogoutResult> {
  const inTurn = <T>(work: (needs: Needs) => Promise<T>) => changes.runOpenWithConsent(asked, work);
  // The issuer may take long: others need not wait for it.
  const held = await inTurn(async (needs) => {
    const { heldSession } = credential;
    needs(restricted());
    return heldSession;
  });
  const result = await revokeAll(credential, held);
  await changes.runOpen(() => credential.signOut());
  return result;
}

async function revokeAll(
  credential: Credential,
  held: Credential["heldSession"],
): Promise<LogoutResult> {
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
