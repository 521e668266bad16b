/** Signs a JWT whose claims a credential file lists (RFC 7523 section 3). */
import { randomUUID } from "node:crypto";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { certificateHeader, signatureKey, type signatureShape } from "./client-assertion.ts";
import { fillJson } from "./exchange-request.ts";
import { signJwt } from "./sign-jwt.ts";

/** Seconds that a JWT is valid: some issuers accept no more (Box). */
const LIFETIME_S = 60;

/** Claims that authd writes itself. */
const OWN = new Set(["iat", "exp", "nbf", "jti"]);

export const claimsSchema = z.described(
  z.record(
    z.string().check(z.refine((name) => !OWN.has(name), "is a claim that authd writes itself")),
    z.json(),
  ),
  "Claims of the JWT, such as iss, sub, aud and scope; {field}, {secret.name}, {scope} and {audience} are filled in. iat, exp and jti are added.",
);

type Claims = z.output<typeof claimsSchema>;

export interface SignedClaims {
  claims: Readonly<Claims>;
  settings: { [K in keyof typeof signatureShape]?: z.output<(typeof signatureShape)[K]> };
  secrets: Readonly<Record<string, string>>;
  values: TemplateValues;
  /** The issuer's time as far as it is known, wall clock in ms. */
  at: number;
}

/** Returns the JWT; a claim that lacks a value is left out. Throws AuthdError `invalid_params` without a fit key. */
export async function signClaims({ claims, settings, secrets, values, at }: SignedClaims) {
  const key = signatureKey(settings, secrets);
  const iat = Math.floor(at / 1_000);
  const filled = fillJson(omitUndefined(claims), values) as Claims;
  const exp = iat + (settings.assertion_lifetime ?? LIFETIME_S);
  return await signJwt({
    key,
    header: certificateHeader(settings, key),
    claims: { ...filled, iat, exp, jti: randomUUID() },
  });
}
