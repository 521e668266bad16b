/** Exchanges what a sign-in brought for tokens: an authorization code, or a device code. */
import type { Acquired, IssuerResponse } from "../grant.ts";
import { readMembers } from "../oauth-problem.ts";
import { requestToken } from "../token-endpoint.ts";
import { type AuthorizationRequest, wantsIdToken } from "./authorization-request.ts";
import { wrongAnswer } from "./authorization-response.ts";
import { type Account, checkIdToken } from "./id-token.ts";
import type { LoginContext } from "./settings.ts";

/** The outcome of a sign-in. */
export interface SignedIn {
  acquired: Acquired;
  /** Absent where the issuer sends no ID token. */
  account?: Account;
}

export async function exchangeCode(
  context: LoginContext,
  { redirectUri, verifier, nonce }: AuthorizationRequest,
  code: string,
): Promise<SignedIn> {
  return await exchange(context, {
    form: {
      grant_type: "authorization_code",
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
    },
    once: [code, verifier],
    nonce,
  });
}

/** Rejects with the issuer's `authorization_pending` or `slow_down` while the person is not done. */
export async function exchangeDeviceCode(
  context: LoginContext,
  { deviceCode, verifier }: { deviceCode: string; verifier?: string },
): Promise<SignedIn> {
  return await exchange(context, {
    form: {
      grant_type: "urn:ietf:params:oauth:grant-type:device_code",
      device_code: deviceCode,
      ...(verifier !== undefined && { code_verifier: verifier }),
    },
    once: [deviceCode, ...(verifier === undefined ? [] : [verifier])],
  });
}

interface Exchange {
  form: Record<string, string>;
  /** Values of the form that no error may quote. */
  once: readonly string[];
  nonce?: string | undefined;
}

async function exchange(context: LoginContext, { form, once, nonce }: Exchange): Promise<SignedIn> {
  let answer: IssuerResponse | undefined;
  const settings = withoutScope(context.settings);
  const acquired = await requestToken(
    {
      ...context,
      settings,
      held: [...context.held, ...once],
      send: async (request) => {
        answer = await context.send(request);
        return answer;
      },
    },
    () => form,
    { refreshing: true },
  );
  const idToken = readMembers(answer?.text ?? "")?.id_token;
  if (typeof idToken !== "string") {
    if (!wantsIdToken(context)) return { acquired };
    throw wrongAnswer(
      context.credential,
      "the issuer sent no ID token, although scope asks for it.",
    );
  }
  const issuerNow = answer?.sentAt?.assumed ?? context.now;
  return { acquired, account: await checkIdToken(context, { idToken, nonce, issuerNow }) };
}

/**
 * Leaves out what the authorization request has asked for already: the person may have granted less, and
 * asking for more than that is an error.
 */
export function withoutScope<Settings extends { scope?: unknown; audience?: unknown }>(
  settings: Settings,
): Omit<Settings, "scope" | "audience"> {
  const { scope: _scope, audience: _audience, ...rest } = settings;
  return rest;
}
