/** Shared by the grants of RFC 6749: the client's settings, and one form-encoded request. */

import { omitUndefined } from "../base/omit-undefined.ts";
import { missing, render, type TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { buildRequest } from "./build-request.ts";
import { type ClientAuthMethod, clientAuthMethods, proveClient } from "./client-auth.ts";
import { generatedValues } from "./generated-values.ts";
import type { AcquireContext, Acquired, IssuerRequest, SecretField } from "./grant.ts";
import { type ResponsePlaces, tokenResponse } from "./response-settings.ts";
import { readTokenAnswer } from "./token-answer.ts";

/** The key of the credential file that holds the address, for messages. */
const URL_KEY = "token_url";

const parameter = z.union([z.string(), z.number(), z.boolean()]);

export const clientId = z.string().min(1).describe("The client's id at the issuer.");

/** Keys of every grant with a token endpoint. */
export const tokenEndpointShape = {
  issuer: z
    .url({ protocol: /^https?$/, error: "must be a complete https: URL" })
    .optional()
    .describe(
      "The issuer's URL; its metadata (RFC 8414, OpenID Connect) gives all other addresses.",
    ),
  token_url: z
    .url({ protocol: /^https?$/, error: "must be a complete https: URL" })
    .optional()
    .describe("The token endpoint's URL. Not needed where there is issuer."),
  client_id: clientId.optional(),
  client_auth: z
    .enum(clientAuthMethods)
    .optional()
    .describe(
      "How the client proves who it is: in the Authorization header (basic, basic_raw), in the form (post), with the client id in both (basic+post, basic_raw+post), or not at all (none). Default: basic if there is a client secret.",
    ),
  scope: z.string().optional().describe("The scopes to ask for, separated by spaces."),
  audience: z.string().optional().describe("The API that the token is for, where the issuer asks."),
  resource: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe("The API's URI (RFC 8707), or several."),
  extra: z
    .record(z.string(), parameter)
    .optional()
    .describe("Further form parameters; {field} and {secret.name} are filled in."),
  response: tokenResponse
    .optional()
    .describe(
      "Where in the answer the token is, if not where RFC 6749 says, and what else to keep.",
    ),
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

export interface TokenEndpointSettings {
  issuer?: string | undefined;
  token_url?: string | undefined;
  client_id?: string | undefined;
  client_auth?: ClientAuthMethod | undefined;
  scope?: string | undefined;
  audience?: string | undefined;
  resource?: string | string[] | undefined;
  extra?: Record<string, string | number | boolean> | undefined;
  response?: ResponsePlaces | undefined;
}

/** Returns the client's secret; `optional` where a public client is usual. */
export function clientSecret(settings: TokenEndpointSettings, optional: boolean): SecretField[] {
  if (settings.client_id === undefined || settings.client_auth === "none") return [];
  return [{ name: "client_secret", optional, label: "Client secret" }];
}

/**
 * Sends one token request; `parameters` returns the grant's own part of the form. `refreshing`: the secret that
 * is sent is a refresh token. `once`: the issuer accepts the request only once.
 */
export async function requestToken<Settings extends TokenEndpointSettings>(
  context: AcquireContext<Settings>,
  parameters: () => Record<string, string>,
  { refreshing = false, once = false } = {},
): Promise<Acquired> {
  const { credential, held, rejectedStatuses, now, signsIn } = context;
  const { request, sent } = buildRequest(context, () => writeForm(context, parameters()));
  const repeatable = !(refreshing || once);
  const response = await context.send({ ...request, urlKey: URL_KEY, repeatable });
  const secrets = { ...context.secrets, ...sent };
  return readTokenAnswer(response, context.settings.response ?? {}, {
    credential,
    rejectedStatuses,
    lifetime: context.lifetime,
    now,
    secrets,
    held,
    refreshing,
    ...omitUndefined({ signsIn }),
    urlKey: URL_KEY,
  });
}

/** Returns the request, and the values in it that must not be shown if the issuer repeats them. */
function writeForm(
  context: AcquireContext<TokenEndpointSettings>,
  parameters: Record<string, string>,
): { request: IssuerRequest; sent: Record<string, string> } {
  const { settings, secrets } = context;
  const proof = proveClient(settings.client_id, secrets.client_secret, settings.client_auth);
  const form = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(proof.form ?? {})) form.set(name, value);
  const scope = context.scope ?? settings.scope;
  if (scope) form.set("scope", scope);
  const audience = context.audience ?? settings.audience;
  if (audience) form.set("audience", audience);
  for (const resource of [settings.resource ?? []].flat()) form.append("resource", resource);
  const values = templateValues(context);
  for (const [name, value] of Object.entries(settings.extra ?? {})) {
    const template = String(value);
    if (missing(template, values) === undefined) form.set(name, render(template, values));
  }
  const headers = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
    ...proof.headers,
  };
  const sent = { proof: proof.headers?.authorization.slice("Basic ".length) ?? "" };
  return {
    request: { method: "POST", url: tokenUrl(settings), headers, body: form.toString() },
    sent,
  };
}

/** Throws AuthdError `invalid_params` if neither the file nor the issuer's metadata gives it. */
function tokenUrl({ token_url }: TokenEndpointSettings): string {
  if (token_url !== undefined) return token_url;
  throw new AuthdError("invalid_params", "its issuer names no token endpoint: set token_url.");
}

/** Returns the values that templates of a grant may contain; none for a scope or audience that is not asked for. */
function templateValues(context: AcquireContext<TokenEndpointSettings>): TemplateValues {
  const { settings, fields, secrets } = context;
  const named = Object.entries(secrets).map(([name, value]) => [`secret.${name}`, value]);
  return {
    ...generatedValues(context.codeAt ?? context.now),
    scope: context.scope ?? settings.scope,
    audience: context.audience ?? settings.audience,
    ...fields,
    ...Object.fromEntries(named),
  };
}
