/** Shared by the grants of RFC 6749: the client's settings, and one token request. */

import { omitUndefined } from "../base/omit-undefined.ts";
import type { TemplateValues } from "../base/template.ts";
import type { TimeStep } from "../base/totp.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { buildRequest, required } from "./build-request.ts";
import { assertionShape } from "./client-assertion.ts";
import {
  clientAuthMethods,
  isTimed,
  proveClient,
  toClientAuthMethod,
  whyUnfitClient,
} from "./client-auth.ts";
import { dpopProof, issuerWantsNonce, learnNonce } from "./dpop.ts";
import { generatedValues } from "./generated-values.ts";
import type { AcquireContext, Acquired, IssuerRequest } from "./grant.ts";
import { derivedSecrets } from "./hidden-values.ts";
import { codeIn } from "./one-time-code.ts";
import {
  filledHeaders,
  filledParameters,
  headersSchema,
  parametersSchema,
  writeParameters,
} from "./request-parameters.ts";
import { tokenResponse } from "./response-settings.ts";
import { reuseGrace } from "./reuse-grace.ts";
import { timeOfRefusal } from "./time-of-refusal.ts";
import { readTokenAnswer } from "./token-answer.ts";

export const clientId = z.described(z.nonEmpty, "The client's id at the issuer.");

const endpoint = z.url({ protocol: /^https?$/, error: "must be a complete https: URL" });

/** Keys of every grant with a token endpoint. */
export const tokenEndpointShape = {
  issuer: z.described(
    z.optional(endpoint),
    "The issuer's URL; its metadata (RFC 8414, OpenID Connect) gives all other addresses.",
  ),
  token_url: z.described(
    z.optional(endpoint),
    "The token endpoint's URL. Not needed where there is issuer.",
  ),
  introspection_url: z.described(
    z.optional(endpoint),
    "The introspection endpoint's URL (RFC 7662), for authd show --introspect.",
  ),
  token_headers: z.described(
    z.optional(headersSchema),
    "Headers of token requests; {field} and {secret.name} are filled in.",
  ),
  token_method: z.described(
    z.optional(z.enum(["POST", "GET"])),
    "The HTTP method of token requests; GET puts the parameters into the query.",
  ),
  token_format: z.described(
    z.optional(z.enum(["form", "json"])),
    "How the parameters of token requests are written. Default: form.",
  ),
  client_id: z.optional(clientId),
  client_auth: z.described(
    z.optional(z.pipe(z.enum(clientAuthMethods), z.transform(toClientAuthMethod))),
    "How the client proves who it is: in the Authorization header (basic or client_secret_basic, basic_raw), among the parameters (post or client_secret_post), with the client id in both (basic+post, basic_raw+post), by a signed JWT (private_key_jwt, client_secret_jwt), by its TLS certificate (tls), or not at all (none). Default: basic if there is a client secret.",
  ),
  ...assertionShape,
  dpop: z.described(
    z.optional(z.boolean()),
    "Whether tokens are bound to a key of this credential's own (DPoP, RFC 9449).",
  ),
  scope: z.described(z.optional(z.string()), "The scopes to ask for, separated by spaces."),
  audience: z.described(
    z.optional(z.union([z.string(), z.array(z.string())])),
    "The API that the token is for, where the issuer asks, or several.",
  ),
  resource: z.described(
    z.optional(z.union([z.string(), z.array(z.string())])),
    "The API's URI (RFC 8707), or several.",
  ),
  extra: z.described(
    z.optional(parametersSchema),
    "Further parameters; {field} and {secret.name} are filled in. A list repeats its name.",
  ),
  response: z.described(
    z.optional(tokenResponse),
    "Where in the answer the token is, if not where RFC 6749 says, and what else to keep.",
  ),
};

/** Keys of a grant that can have a token with a wider scope without a person. */
export const stepUpShape = {
  step_up_scope: z.described(
    z.optional(z.string()),
    "The scopes beyond scope that a request may ask the issuer for when an API wants them (insufficient_scope), separated by spaces. Default: none.",
  ),
};

/** Keys of a grant that renews with a refresh token. */
export const renewalShape = {
  refresh_url: z.described(
    z.optional(endpoint),
    "The URL of renewals, where it is not the token endpoint's.",
  ),
  refresh_extra: z.described(
    z.optional(parametersSchema),
    "Further parameters of renewals, beside and before those of extra.",
  ),
  reuse_grace: reuseGrace,
};

/** Refines a schema, by `refine(...issuerOr("token_url"))`: the file gives this address, or `issuer`. */
export function issuerOr<Key extends string>(key: Key) {
  const gives = (settings: { issuer?: string | undefined } & { [K in Key]?: string | undefined }) =>
    settings.issuer !== undefined || settings[key] !== undefined;
  const path: PropertyKey[] = [key];
  // Told together with whatever else is missing.
  const when = ({ value }: { value: unknown }) => typeof value === "object" && value !== null;
  return [gives, { path, error: "is missing", when }] as const;
}

/** Returns where the secrets are sent, as far as the file says it. */
export function addressOf({ token_url, issuer }: TokenEndpointSettings): string | undefined {
  return token_url ?? issuer;
}

const endpointSchema = z.object({ ...tokenEndpointShape, ...renewalShape });
export type TokenEndpointSettings = z.output<typeof endpointSchema>;

/** Refuses keys of a token endpoint that contradict each other. `signs`: the grant itself signs, as its client may. */
export function consistent<Schema extends z.ZodMiniType<TokenEndpointSettings>>(
  schema: Schema,
  { signs = false } = {},
) {
  return schema.check(
    z.superRefine((settings, context) => {
      const unfit = whyUnfitClient(settings, signs);
      if (unfit) context.addIssue({ code: "custom", path: [unfit.key], message: unfit.why });
    }),
    z.refine(
      ({ token_method, token_format }) => token_method !== "GET" || token_format !== "json",
      "token_format can't be json where token_method is GET, which has no body",
    ),
    z.superRefine((settings, context) => {
      const message = whyTwiceAuthorized(settings);
      if (message) context.addIssue({ code: "custom", message });
    }),
  );
}

/** Returns why the file's own Authorization header would replace the client's; undefined: it does not. */
function whyTwiceAuthorized({ client_id, client_auth, token_headers }: TokenEndpointSettings) {
  const writesOwn = Object.entries(token_headers ?? {}).some(
    ([name, value]) => name.toLowerCase() === "authorization" && value !== "",
  );
  if (!writesOwn) return undefined;
  if (client_auth?.startsWith("basic")) {
    return "token_headers.authorization and client_auth both write the Authorization header: leave one out";
  }
  return client_id !== undefined && client_auth === undefined
    ? 'token_headers.authorization takes the place of the client secret, which goes into the Authorization header by default: set client_auth to "post", or to "none" for a client without a secret'
    : undefined;
}

/** Returns the grant's own part of the parameters; `at`: wall clock in ms. */
type OwnParameters = (at: number) => Record<string, string> | Promise<Record<string, string>>;

/**
 * Sends one token request. `refreshing`: the answer may hold a refresh token, or the one that is sent is used up.
 * `renewing`: the request is a renewal. `once`: the issuer accepts the request only once. `timed`: the parameters
 * hold the time; one that is refused where the clocks are apart is signed again by the issuer's clock.
 */
export async function requestToken<Settings extends TokenEndpointSettings>(
  context: AcquireContext<Settings>,
  parameters: OwnParameters,
  { refreshing = false, renewing = false, once = false, timed = false } = {},
): Promise<Acquired> {
  const { credential, held, rejectedOn, now, settings, signsIn } = context;
  const isElsewhere = renewing && settings.refresh_url !== undefined;
  // The key of the credential file that holds the address, for messages.
  const urlKey = isElsewhere ? "refresh_url" : "token_url";
  const repeatable = !(refreshing || once);
  const sendAt = async (at: number) => {
    const { request, sent } = await buildRequest(context, async () =>
      writeTokenRequest({ ...context, now: at }, { urlKey, own: await parameters(at), renewing }),
    );
    const { dpop } = context;
    if (dpop) request.headers.dpop = await dpopProof(dpop, { ...request, at });
    const response = await context.send({ ...request, urlKey, repeatable });
    const hasNonce = dpop !== undefined && learnNonce(dpop.nonces, request.url, response.headers);
    return { response, sent, wantsNonce: hasNonce && issuerWantsNonce(response) };
  };
  const first = await sendAt(now);
  const isSigned = timed || context.dpop !== undefined || isTimed(settings);
  const issuerNow = isSigned ? timeOfRefusal(first.response, now) : undefined;
  const again = issuerNow ?? (first.wantsNonce ? now : undefined);
  const { response, sent } = again === undefined ? first : await sendAt(again);
  const secrets = { ...context.secrets, ...sent };
  return readTokenAnswer(response, settings.response ?? {}, {
    credential,
    rejectedOn,
    lifetime: context.lifetime,
    now,
    secrets,
    held,
    refreshing,
    isBound: context.dpop !== undefined,
    ...omitUndefined({ signsIn }),
    urlKey,
  });
}

/** Sends the refresh token (RFC 6749 section 6); the response may contain a new one. */
export function renewWithRefreshToken<Settings extends TokenEndpointSettings>(
  context: AcquireContext<Settings>,
): Promise<Acquired> {
  const parameters = () => ({
    grant_type: "refresh_token",
    refresh_token: required(context.secrets, "refresh_token"),
  });
  return requestToken(context, parameters, { refreshing: true, renewing: true });
}

/** Identifies the one-time code in a file's own parameters and headers, as `Grant.timeStep` does. */
export function requestCode(
  { extra, refresh_extra, token_headers }: TokenEndpointSettings,
  secrets: Readonly<Record<string, string>>,
  at: number,
): TimeStep | undefined {
  return codeIn([extra, refresh_extra, token_headers], secrets, at);
}

/** Returns the request, and the values in it that must not be shown if the issuer repeats them. */
async function writeTokenRequest(
  context: AcquireContext<TokenEndpointSettings>,
  asked: { urlKey: "token_url" | "refresh_url"; own: Record<string, string>; renewing: boolean },
): Promise<{ request: IssuerRequest; sent: Record<string, string> }> {
  const { settings } = context;
  const proof = await proveClient(context);
  const values = templateValues(context);
  const written = writeParameters({
    method: settings.token_method ?? "POST",
    format: settings.token_format ?? "form",
    url: settings[asked.urlKey] ?? tokenUrl(settings),
    parameters: {
      ...asked.own,
      ...proof.form,
      ...omitUndefined({ scope: values.scope || undefined }),
      ...omitUndefined({ audience: (context.audience ?? settings.audience) || undefined }),
      ...omitUndefined({ resource: settings.resource }),
      ...filledParameters(settings.extra, values),
      ...(asked.renewing && filledParameters(settings.refresh_extra, values)),
    },
  });
  const headers = {
    accept: "application/json",
    ...written.headers,
    ...proof.headers,
    ...filledHeaders(settings.token_headers, values),
  };
  const { extra, refresh_extra, token_headers } = settings;
  const sent = {
    ...derivedSecrets([extra, refresh_extra, token_headers], values),
    proof: proof.headers?.authorization.slice("Basic ".length) ?? "",
    client_assertion: proof.form?.client_assertion ?? "",
    assertion: asked.own.assertion ?? "",
  };
  return { request: { ...written, headers }, sent };
}

/** Throws AuthdError `invalid_params` if neither the file nor the issuer's metadata gives it. */
function tokenUrl({ token_url }: TokenEndpointSettings): string {
  if (token_url !== undefined) return token_url;
  throw new AuthdError("invalid_params", "its issuer names no token endpoint: set token_url.");
}

/** Returns the values that templates of a grant may contain; none for a scope or audience that is not asked for. */
export function templateValues(context: AcquireContext<TokenEndpointSettings>): TemplateValues {
  const { settings, fields, secrets } = context;
  const named = Object.entries(secrets).map(([name, value]) => [`secret.${name}`, value]);
  return {
    ...generatedValues(context.codeAt ?? context.now),
    ...fields,
    scope: context.scope ?? settings.scope,
    audience: context.audience ?? ([settings.audience ?? []].flat().join(" ") || undefined),
    ...Object.fromEntries(named),
  };
}
