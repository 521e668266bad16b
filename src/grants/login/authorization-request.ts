/** Builds an authorization request: code with PKCE (RFC 7636), pushed (RFC 9126) and signed (RFC 9101) where that is wanted. */
import { AuthdError } from "../../errors.ts";
import { dpopThumbprint } from "../dpop.ts";
import { readMembers } from "../oauth-problem.ts";
import { incomplete, postAsClient } from "./client-request.ts";
import { signRequest } from "./request-object.ts";
import type { LoginContext } from "./settings.ts";

/** An authorization request, and what its answer is compared with. Never leaves the daemon but for `url`. */
export interface AuthorizationRequest {
  /** The address that the browser opens. */
  readonly url: string;
  readonly redirectUri: string;
  readonly state: string;
  /** Absent without the scope `openid`. */
  readonly nonce?: string;
  readonly verifier: string;
}

export async function authorizationRequest(
  context: LoginContext,
  redirectUri: string,
): Promise<AuthorizationRequest> {
  const { authorization_url } = context.settings;
  if (authorization_url === undefined) throw missingUrl(context, "authorization_url");
  const oauth = await import("oauth4webapi");
  const { verifier, challenge } = await proofKey();
  const state = oauth.generateRandomState();
  const nonce = wantsIdToken(context) ? oauth.generateRandomNonce() : undefined;
  const jkt = context.dpop && dpopThumbprint(context.dpop);
  const parameters = parametersOf(context, { redirectUri, state, nonce, challenge, jkt });
  const sent = await pushed(context, await signed(context, parameters));
  const url = new URL(authorization_url);
  for (const name of new Set(sent.keys())) url.searchParams.delete(name);
  for (const [name, value] of sent) url.searchParams.append(name, value);
  return { url: url.href, redirectUri, state, verifier, ...(nonce && { nonce }) };
}

/** A verifier, and the parameters that announce it (RFC 7636). */
interface ProofKey {
  verifier: string;
  challenge: { code_challenge: string; code_challenge_method: "S256" };
}

export async function proofKey(): Promise<ProofKey> {
  const oauth = await import("oauth4webapi");
  const verifier = oauth.generateRandomCodeVerifier();
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier);
  return { verifier, challenge: { code_challenge, code_challenge_method: "S256" } };
}

/** True if the issuer is asked for an ID token (OpenID Connect Core section 3.1.2.1). */
export function wantsIdToken({ settings }: LoginContext): boolean {
  return (settings.scope ?? "").split(/\s+/).includes("openid");
}

interface Once {
  redirectUri: string;
  state: string;
  nonce: string | undefined;
  challenge: ProofKey["challenge"];
  /** Digest of the key that the code is bound to (RFC 9449 section 10). */
  jkt: string | undefined;
}

function parametersOf({ settings }: LoginContext, once: Once): URLSearchParams {
  const { client_id, scope, audience, resource, prompt, login_hint, max_age } = settings;
  const parameters = new URLSearchParams();
  const set = (name: string, value: string | number | boolean | undefined) => {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  };
  for (const [name, value] of Object.entries(settings.extra_authorization ?? {})) set(name, value);
  set("response_type", "code");
  set("client_id", client_id);
  set("redirect_uri", once.redirectUri);
  set("scope", scope);
  set("state", once.state);
  set("nonce", once.nonce);
  for (const [name, value] of Object.entries(once.challenge)) set(name, value);
  set("dpop_jkt", once.jkt);
  for (const each of [audience ?? []].flat()) parameters.append("audience", each);
  for (const each of [resource ?? []].flat()) parameters.append("resource", each);
  set("prompt", prompt);
  set("login_hint", login_hint);
  set("max_age", max_age);
  return parameters;
}

/** Puts the parameters into a request object, where the file or the issuer says so. */
async function signed(
  context: LoginContext,
  parameters: URLSearchParams,
): Promise<URLSearchParams> {
  const { settings, metadata } = context;
  const isWanted = settings.request_object_alg ?? metadata?.require_signed_request_object;
  if (!isWanted) return parameters;
  const sent = new URLSearchParams({ request: await signRequest(context, parameters) });
  // OpenID Connect wants these outside, too (Core section 6.1).
  for (const name of ["client_id", "response_type", "scope"]) {
    const value = parameters.get(name);
    if (value !== null) sent.set(name, value);
  }
  return sent;
}

/** Sends the parameters to the issuer first, where it offers that: the browser then carries a reference only. */
async function pushed(context: LoginContext, form: URLSearchParams): Promise<URLSearchParams> {
  const { settings, metadata } = context;
  const { par_url, push_request = true, client_id } = settings;
  const isRequired = metadata?.require_pushed_authorization_requests === true;
  if (par_url === undefined || !(push_request || isRequired)) return form;
  const response = await postAsClient(context, { url: par_url, urlKey: "par_url", form });
  const { request_uri } = readMembers(response.text) ?? {};
  if (typeof request_uri !== "string") {
    throw incomplete(response, context, "par_url", "the issuer's answer has no request_uri in it.");
  }
  return new URLSearchParams({ client_id, request_uri });
}

/** Returns the error for an address that neither the file nor the issuer's metadata gives. */
export function missingUrl({ credential, settings }: LoginContext, key: string): AuthdError {
  const where =
    settings.issuer === undefined
      ? `its file gives neither ${key} nor issuer`
      : `its issuer names no such address, and its file gives no ${key}`;
  return new AuthdError("invalid_params", `${credential}: it can't sign in that way: ${where}`, {
    credential,
  });
}
