/** Signs in on another device (RFC 8628). */
import { AuthdError } from "../../errors.ts";
import { readMembers } from "../oauth-problem.ts";
import { seconds } from "../token-claims.ts";
import { missingUrl, proofKey } from "./authorization-request.ts";
import { incomplete, postAsClient } from "./client-request.ts";
import { exchangeDeviceCode, type SignedIn } from "./code-exchange.ts";
import type { LoginContext } from "./settings.ts";

const DEFAULT_INTERVAL_S = 5;
const DEFAULT_EXPIRES_IN_S = 600;
/** Whatever the issuer says, it is asked no sooner. */
const MIN_INTERVAL_MS = 1_000;
/** RFC 8628 section 3.5. */
const SLOW_DOWN_MS = 5_000;
/** The longest wait after polls that failed, unless the issuer names a longer one. */
const MAX_RETRY_MS = 60_000;

/** Errors after which the issuer is asked again; undefined: a connection that failed, or no OAuth error. */
const PASSING = new Set([undefined, "temporarily_unavailable", "server_error"]);

/** A device code, and what the person needs for it. */
export interface DeviceAuthorization {
  readonly deviceCode: string;
  /** Present where the issuer wanted PKCE. */
  readonly verifier?: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete?: string;
  readonly expiresInMs: number;
  readonly intervalMs: number;
}

export async function authorizeDevice(context: LoginContext): Promise<DeviceAuthorization> {
  const { settings } = context;
  const { device_url, scope, audience, resource, client_id } = settings;
  if (device_url === undefined) throw missingUrl(context, "device_url");
  const form = new URLSearchParams({ client_id });
  if (scope) form.set("scope", scope);
  for (const each of [audience ?? []].flat()) form.append("audience", each);
  for (const each of [resource ?? []].flat()) form.append("resource", each);
  try {
    return await requestDeviceCode(context, device_url, form);
  } catch (error) {
    if (!mayWantProofKey(context, error)) throw error;
    const { verifier, challenge } = await proofKey();
    for (const [name, value] of Object.entries(challenge)) form.set(name, value);
    const authorization = await requestDeviceCode(context, device_url, form).catch(() => {
      throw error;
    });
    return { ...authorization, verifier };
  }
}

/**
 * True for a refusal that can be about missing PKCE. RFC 8628 has none: Keycloak wants it here of a client that has
 * to use it, and other issuers refuse parameters that they don't know.
 */
function mayWantProofKey({ metadata }: LoginContext, error: unknown): boolean {
  const isRefused = error instanceof AuthdError && error.oauth?.error === "invalid_request";
  return isRefused && metadata?.code_challenge_methods_supported?.includes("S256") === true;
}

async function requestDeviceCode(
  context: LoginContext,
  url: string,
  form: URLSearchParams,
): Promise<DeviceAuthorization> {
  const response = await postAsClient(context, { url, urlKey: "device_url", form });
  const authorization = readAuthorization(readMembers(response.text) ?? {});
  if (authorization) return authorization;
  throw incomplete(
    response,
    context,
    "device_url",
    "the issuer's answer has no device code in it.",
  );
}

function readAuthorization(members: Record<string, unknown>): DeviceAuthorization | undefined {
  const { device_code, user_code, verification_uri_complete } = members;
  // Google's name for it.
  const verification_uri = members.verification_uri ?? members.verification_url;
  if (!isText(device_code) || !isText(user_code) || !isWebAddress(verification_uri)) {
    return undefined;
  }
  return {
    deviceCode: device_code,
    userCode: user_code,
    verificationUri: verification_uri,
    ...(isWebAddress(verification_uri_complete) && {
      verificationUriComplete: verification_uri_complete,
    }),
    expiresInMs: (seconds(members.expires_in) || DEFAULT_EXPIRES_IN_S) * 1_000,
    intervalMs: Math.max(
      MIN_INTERVAL_MS,
      (seconds(members.interval) ?? DEFAULT_INTERVAL_S) * 1_000,
    ),
  };
}

/** The pace of the polls. */
export interface Pace {
  /** The issuer's interval, which each `slow_down` makes longer. */
  intervalMs: number;
  /** The time to the next poll. */
  waitMs: number;
}

/** What a poll of the token endpoint came to, and the pace from now on. */
export type Poll = { signedIn: SignedIn } | (Pace & { isSlowedDown?: boolean });

/** Asks once whether the person is done. Rejects with AuthdError if the sign-in has come to nothing. */
export async function pollDevice(
  context: LoginContext,
  authorization: DeviceAuthorization,
  { intervalMs, waitMs }: Pace,
): Promise<Poll> {
  try {
    return { signedIn: await exchangeDeviceCode(context, authorization) };
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    const code = error.oauth?.error;
    if (code === "authorization_pending") return { intervalMs, waitMs: intervalMs };
    if (code === "slow_down") {
      const slower = intervalMs + SLOW_DOWN_MS;
      return { intervalMs: slower, waitMs: slower, isSlowedDown: true };
    }
    const isPassing = error.reason === "issuer_unavailable" && PASSING.has(code);
    if (!isPassing || error.contact?.lasting === true) throw error;
    // Polls that fail are sent at longer and longer intervals (RFC 8628 section 3.5).
    const retryMs = Math.max(intervalMs, Math.min(waitMs * 2, MAX_RETRY_MS));
    return { intervalMs, waitMs: Math.max(retryMs, error.retryAfterMs ?? 0) };
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isWebAddress(value: unknown): value is string {
  return isText(value) && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
