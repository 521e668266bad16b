/** Signs JWTs with which a client proves who it is (RFC 7523 section 2.2, OpenID Connect Core section 9). */
import { randomUUID, X509Certificate } from "node:crypto";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { required } from "./build-request.ts";
import { signJwt } from "./sign-jwt.ts";
import {
  privateAlgorithms,
  readSigningKey,
  type SigningKey,
  secretAlgorithms,
  whyNoSigningKey,
} from "./signing-key.ts";

/** Seconds that an assertion is valid. */
const LIFETIME_S = 60;
/** Name of the secret with the private key. */
export const KEY = "key";

/** Keys of a JWT's signature. */
export const signatureShape = {
  algorithm: z.described(
    z.optional(z.enum([...privateAlgorithms, ...secretAlgorithms])),
    "How the JWT is signed. Default: what suits the key; HS256 for a client secret.",
  ),
  key_id: z.described(
    z.optional(z.nonEmpty),
    "The key's id at the issuer (kid). Default: that of a JWK.",
  ),
  certificate: z.described(
    z.optional(
      z
        .string()
        .check(z.refine((pem) => thumbprint(pem) !== undefined, "is no certificate in PEM")),
    ),
    "The key's certificate in PEM, whose SHA-256 goes into the JWT's header (x5t#S256): Microsoft Entra finds the key by it.",
  ),
  assertion_lifetime: z.described(
    z.optional(z.int().check(z.minimum(1), z.maximum(86_400))),
    "Seconds that the JWT is valid. Default: 60.",
  ),
};

/** Keys of a client that signs. */
export const assertionShape = {
  ...signatureShape,
  assertion_audience: z.described(
    z.optional(z.nonEmpty),
    "The audience of the client's JWT. Default: issuer, or else token_url.",
  ),
};

const assertionSchema = z.object(assertionShape);
type AssertionSettings = z.output<typeof assertionSchema> & {
  client_id?: string | undefined;
  issuer?: string | undefined;
  token_url?: string | undefined;
};

export interface AssertingClient {
  settings: AssertionSettings;
  secrets: Readonly<Record<string, string>>;
  /** The issuer's time as far as it is known, wall clock in ms. */
  now: number;
}

/** Returns the form parameters of `private_key_jwt`. Throws AuthdError `invalid_params` without a fit key. */
export async function privateKeyAssertion(client: AssertingClient) {
  const key = signatureKey(client.settings, client.secrets);
  return await assertion(client, key, certificateHeader(client.settings, key));
}

/** Returns what is wrong with a secret `key` that looks like PEM or JWK: one by that name may be something else. */
export function whyUnfitKey(name: string, value: string): string | undefined {
  return name === KEY && /^\s*(-----BEGIN|\{)/.test(value) ? whyNoSigningKey(value) : undefined;
}

/** Returns the form parameters of `client_secret_jwt`. */
export async function secretAssertion(client: AssertingClient) {
  const { algorithm = "HS256" } = client.settings;
  return await assertion(client, { algorithm, secret: required(client.secrets, "client_secret") });
}

async function assertion(
  { settings, now }: AssertingClient,
  key: Parameters<typeof signJwt>[0]["key"],
  header = {},
) {
  const { client_id, issuer, token_url, assertion_audience } = settings;
  const iat = Math.floor(now / 1_000);
  const claims = {
    ...{ iss: client_id, sub: client_id, aud: assertion_audience ?? issuer ?? token_url },
    ...{ jti: randomUUID(), iat, exp: iat + (settings.assertion_lifetime ?? LIFETIME_S) },
  };
  return {
    ...(client_id === undefined ? {} : { client_id }),
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: await signJwt({ key, header, claims }),
  };
}

/** Reads the secret `key`. Throws AuthdError `invalid_params` if it is missing, or unfit. */
export function signatureKey(
  { algorithm, key_id }: Pick<AssertionSettings, "algorithm" | "key_id">,
  secrets: Readonly<Record<string, string>>,
): SigningKey {
  return readSigningKey(required(secrets, KEY), KEY, { algorithm, keyId: key_id });
}

/** Returns the header member by which the issuer finds the key. Throws for a certificate of another key. */
export function certificateHeader(
  { certificate }: Pick<AssertionSettings, "certificate">,
  { key }: SigningKey,
): Record<string, string> {
  if (certificate === undefined) return {};
  if (!new X509Certificate(certificate).checkPrivateKey(key)) {
    throw new AuthdError(
      "invalid_params",
      `certificate belongs to another key than the secret "${KEY}".`,
    );
  }
  return { "x5t#S256": thumbprint(certificate)! };
}

/** Returns the SHA-256 of a certificate in base64url (RFC 7515 section 4.1.8); undefined: it is none. */
function thumbprint(pem: string): string | undefined {
  try {
    const { fingerprint256 } = new X509Certificate(pem);
    return Buffer.from(fingerprint256.replaceAll(":", ""), "hex").toString("base64url");
  } catch {
    return undefined;
  }
}
