/** Signs in on another device (RFC 8628). */
import { AuthdError } from "../../errors.ts";
import { readMembers } from "../oauth-problem.ts";
import { seconds } from "../token-claims.ts";
import { missingUrl } from "./authorization-request.ts";
import { incomplete, postAsClient } from "./client-request.ts";
import { exchangeDeviceCode, type SignedIn } from "./code-exchange.ts";
import type { LoginContext } from "./settings.ts";

const DEFAULT_INTERVAL_S = 5;
const DEFAULT_EXPIRES_IN_S = 600;
/** RFC 8628 section 3.5. */
const SLOW_DOWN_MS = 5_000;

/** A device code, and what the person needs for it. */
export interface DeviceAuthorization {
  readonly deviceCode: string;
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
  const response = await postAsClient(context, { url: device_url, urlKey: "device_url", form });
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
    intervalMs: (seconds(members.interval) ?? DEFAULT_INTERVAL_S) * 1_000,
  };
}

/** What a poll of the token endpoint came to. `waitMs`: the time to the next poll, from now on. */
export type Poll = { signedIn: SignedIn } | { waitMs: number; isSlowedDown?: boolean };

/** Asks once whether the person is done. Rejects with AuthdError if the sign-in has come to nothing. */
export async function pollDevice(
  context: LoginContext,
  { deviceCode }: DeviceAuthorization,
  intervalMs: number,
): Promise<Poll> {
  try {
    return { signedIn: await exchangeDeviceCode(context, deviceCode) };
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    const code = error.oauth?.error;
    if (code === "authorization_pending") return { waitMs: intervalMs };
    if (code === "slow_down") return { waitMs: intervalMs + SLOW_DOWN_MS, isSlowedDown: true };
    // A connection that failed: the next poll comes later (RFC 8628 section 3.5).
    const isPassing = error.reason === "issuer_unavailable" && code === undefined;
    if (isPassing && error.contact?.lasting !== true) return { waitMs: intervalMs * 2 };
    throw error;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isWebAddress(value: unknown): value is string {
  return isText(value) && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
