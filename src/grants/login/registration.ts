/** Registers a client of an issuer's (RFC 7591), for people on this machine: a native one (RFC 8252). */
import { omitUndefined } from "../../base/omit-undefined.ts";
import { quoted } from "../../base/terminal-safe.ts";
import * as z from "../../base/zod.ts";
import { AuthdError, messageOf } from "../../errors.ts";
import type { IssuerResponse, SendToIssuer } from "../grant.ts";
import { oauthProblem, readMembers } from "../oauth-problem.ts";
import type { IssuerMetadata } from "./metadata.ts";

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

/** Methods that a registered client can use, the one without a secret first. */
const METHODS = ["none", "client_secret_basic", "client_secret_post"] as const;

/** Seconds since the epoch at the end of the year 9999: no time beyond it is a date of a credential file. */
const LAST_SECOND = 253_402_300_799;

const answer = z.object({
  client_id: z.nonEmpty,
  client_secret: z.optional(z.nonEmpty),
  client_secret_expires_at: z.catch(
    z.optional(z.number().check(z.nonnegative(), z.maximum(LAST_SECOND))),
    undefined,
  ),
  token_endpoint_auth_method: z.catch(z.optional(z.string()), undefined),
  registration_access_token: z.catch(z.optional(z.string()), undefined),
  registration_client_uri: z.catch(z.optional(z.string()), undefined),
});

/** A client as the issuer has registered it. */
export interface RegisteredClient {
  clientId: string;
  clientAuth: (typeof METHODS)[number];
  clientSecret?: string;
  /** Wall clock, ms; absent: never. */
  secretExpiresAt?: number;
  /** What manages the registration (RFC 7592). */
  accessToken?: string;
  managementUrl?: string;
}

interface RegistrationContext {
  credential: string;
  metadata: IssuerMetadata;
  redirectUri: string;
  send: SendToIssuer;
}

/** Rejects with AuthdError: `invalid_params` if the issuer registers no clients, `request_failed` if not this one. */
export async function registerClient(context: RegistrationContext): Promise<RegisteredClient> {
  const { credential, metadata, send } = context;
  const url = metadata.registration_endpoint;
  if (url === undefined) throw registersNone(credential, metadata.issuer);
  const body = JSON.stringify(clientMetadata(context));
  const headers = { accept: "application/json", "content-type": "application/json" };
  const response = await send({ method: "POST", url, headers, body, urlKey: "issuer" }).catch(
    (error) => {
      const reason = error instanceof AuthdError ? error.reason : "issuer_unavailable";
      throw failed(context, messageOf(error), reason);
    },
  );
  const { data } = answer.safeParse(
    response.status === 200 || response.status === 201 ? readMembers(response.text) : undefined,
  );
  if (!data) throw refused(context, response);
  return registeredClient(context, data);
}

/** Section 2. No scope: it would limit what an API can ask for later. */
function clientMetadata({ metadata, redirectUri }: RegistrationContext) {
  const { grant_types_supported: grants, device_authorization_endpoint } = metadata;
  const hasDevice =
    device_authorization_endpoint !== undefined && grants?.includes(DEVICE_GRANT) === true;
  const hasRefresh = grants === undefined || grants.includes("refresh_token");
  return {
    client_name: "authd",
    application_type: "native",
    redirect_uris: [redirectUri],
    response_types: ["code"],
    grant_types: [
      "authorization_code",
      ...(hasRefresh ? ["refresh_token"] : []),
      ...(hasDevice ? [DEVICE_GRANT] : []),
    ],
    token_endpoint_auth_method: wantedMethod(metadata),
    ...omitUndefined({ id_token_signed_response_alg: idTokenAlgorithm(metadata) }),
  };
}

/** Names an algorithm where the issuer lacks the default, RS256 (OpenID Connect Registration section 2). */
function idTokenAlgorithm({ id_token_signing_alg_values_supported: known = [] }: IssuerMetadata) {
  if (known.includes("RS256")) return undefined;
  return known.find((algorithm) => /^(RS|PS|ES|Ed)/.test(algorithm));
}

/** Returns `none` where the issuer takes it: a program on a person's machine keeps no secret of its maker. */
function wantedMethod({ token_endpoint_auth_methods_supported: methods }: IssuerMetadata) {
  // RFC 8414 section 2: the default.
  if (methods === undefined) return "client_secret_basic";
  return METHODS.find((method) => methods.includes(method)) ?? "none";
}

function registeredClient(
  context: RegistrationContext,
  data: z.output<typeof answer>,
): RegisteredClient {
  const {
    client_secret: clientSecret,
    token_endpoint_auth_method: told,
    client_secret_expires_at: expiresAt,
  } = data;
  const asked = wantedMethod(context.metadata);
  const method =
    told ?? (clientSecret !== undefined && asked === "none" ? "client_secret_basic" : asked);
  const clientAuth = METHODS.find((known) => known === method);
  if (clientAuth === undefined || (clientAuth !== "none" && clientSecret === undefined)) {
    const why = `it registered a client that proves itself by ${quoted(method)}${clientAuth ? ", and sent no secret" : ""}`;
    throw failed(context, why, "request_failed");
  }
  return {
    clientId: data.client_id,
    clientAuth,
    ...omitUndefined({
      clientSecret: clientAuth === "none" ? undefined : clientSecret,
      secretExpiresAt: expiresAt && clientAuth !== "none" ? expiresAt * 1_000 : undefined,
      accessToken: data.registration_access_token,
      managementUrl: data.registration_client_uri,
    }),
  };
}

function refused(context: RegistrationContext, response: IssuerResponse): AuthdError {
  const { status } = response;
  const problem = oauthProblem(response, { secrets: {} });
  if (problem) {
    const { error, error_description: text } = problem;
    const why = `it refused (${error}${text ? `: "${text}"` : ""})`;
    return failed(context, why, "request_failed", problem);
  }
  const isAuth = status === 401 || status === 403;
  const why = isAuth
    ? `it registers nobody without a token of its own (HTTP ${status})`
    : `it answered HTTP ${status} without a client`;
  return failed(context, why, status >= 500 ? "issuer_unavailable" : "request_failed");
}

function failed(
  { credential, metadata }: RegistrationContext,
  why: string,
  reason: AuthdError["reason"],
  oauth?: AuthdError["oauth"],
): AuthdError {
  return new AuthdError(
    reason,
    `${credential}: no client could be registered at ${metadata.issuer}: ${why}. Make one there yourself: ${ownClient(credential)}`,
    { credential, ...omitUndefined({ oauth }) },
  );
}

function registersNone(credential: string, issuer: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${credential}: ${issuer} registers no clients by itself. Make one there: ${ownClient(credential)}`,
    { credential },
  );
}

/** Says what a person does who has a client of their own. */
export function ownClient(credential: string): string {
  return `a native app with the redirect URI http://127.0.0.1/callback; then run the same authd add ${credential} with --set client_id=YOUR-CLIENT-ID`;
}
