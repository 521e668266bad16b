/** Keys of the grants that a person signs in for. */
import * as z from "../../base/zod.ts";
import { clientSecret } from "../client-auth.ts";
import type { AcquireContext, SecretField } from "../grant.ts";
import { refreshResponse } from "../response-settings.ts";
import {
  clientId,
  consistent,
  issuerOr,
  renewalShape,
  tokenEndpointShape,
} from "../token-endpoint.ts";
import type { IssuerMetadata } from "./metadata.ts";
import { isRedirectUri } from "./redirect-uri.ts";

/** Parameters of an authorization request that authd itself decides. */
const RESERVED = new Set([
  ...["client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "scope"],
  ...["code_challenge", "code_challenge_method", "request", "request_uri", "dpop_jkt"],
]);

const address = (description: string) =>
  z.described(
    z.optional(z.url({ protocol: /^https?$/, error: "must be a complete https: URL" })),
    description,
  );

const parameter = z.union([z.string(), z.number(), z.boolean()]);

/** Keys of both grants. */
const shape = {
  ...tokenEndpointShape,
  ...renewalShape,
  response: refreshResponse,
  client_id: clientId,
  device_url: address("The device authorization endpoint's URL (RFC 8628)."),
  revocation_url: address("The revocation endpoint's URL (RFC 7009), for authd logout."),
};

export const deviceSchema = consistent(z.strictObject(shape)).check(
  z.refine(...issuerOr("token_url")),
  z.refine(...issuerOr("device_url")),
);

export const authorizationCodeSchema = consistent(
  z.strictObject({
    ...shape,
    authorization_url: address("The authorization endpoint's URL, which the browser opens."),
    par_url: address("The pushed authorization request endpoint's URL (RFC 9126)."),
    redirect_uri: z.described(
      z.optional(
        z
          .string()
          .check(
            z.refine(isRedirectUri, "must be an absolute URI, such as http://127.0.0.1/callback"),
          ),
      ),
      "Where the issuer sends the browser back. Loopback without a port: a free one is taken. Default: http://127.0.0.1/callback.",
    ),
    prompt: z.described(z.optional(z.string()), "Whether the issuer asks again: login, consent, …"),
    login_hint: z.described(z.optional(z.string()), "The account that the issuer suggests."),
    max_age: z.described(
      z.optional(z.int().check(z.minimum(0))),
      "Seconds since the last sign-in, at most.",
    ),
    push_request: z.described(
      z.optional(z.boolean()),
      "Whether the request is pushed first (RFC 9126). Default: where the issuer offers it.",
    ),
    request_object_alg: z.described(
      z.optional(z.enum(["HS256", "RS256", "PS256", "ES256", "EdDSA"])),
      "Signs the request as a JWT (RFC 9101): HS256 with the client's secret, others with request_object_key. Default: where the issuer insists, HS256.",
    ),
    extra_authorization: z.described(
      z.optional(
        z.record(
          z
            .string()
            .check(
              z.refine((name) => !RESERVED.has(name), "is a parameter that authd sets itself"),
            ),
          parameter,
        ),
      ),
      "Further parameters of the authorization request.",
    ),
  }),
).check(z.refine(...issuerOr("token_url")), z.refine(...issuerOr("authorization_url")));

export type DeviceSettings = z.output<typeof deviceSchema>;
export type AuthorizationCodeSettings = z.output<typeof authorizationCodeSchema>;

/** Everything that a sign-in works with. The settings have the addresses of the metadata already. */
export interface LoginContext extends AcquireContext<AuthorizationCodeSettings> {
  /** Present where the file gives `issuer`. */
  metadata?: IssuerMetadata;
}

/** Returns the secrets of a client that a person signs in to: most are public, and have none. */
export function clientSecrets(settings: AuthorizationCodeSettings): SecretField[] {
  const alg = settings.request_object_alg;
  const signs = alg !== undefined && alg !== "HS256";
  const hint = "PEM (PKCS #8) or JWK, with which authorization requests are signed";
  const key = { name: "request_object_key", optional: false, label: "Private key", hint };
  return [...clientSecret(settings, true), ...(signs ? [key] : [])];
}
