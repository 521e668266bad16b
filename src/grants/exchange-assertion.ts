/** The JWT of an exchange's requests, `{assertion}`: an API that is asked with one (GitHub Apps). */
import type { TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { KEY, signatureShape } from "./client-assertion.ts";
import type { AcquireContext, SecretField } from "./grant.ts";
import { claimsSchema, signClaims } from "./signed-claims.ts";
import { privateAlgorithms } from "./signing-key.ts";

/** The name in templates. */
export const ASSERTION = "assertion";

const { assertion_lifetime: lifetime, ...signature } = signatureShape;

export const exchangeAssertionSchema = z.strictObject({
  claims: claimsSchema,
  ...signature,
  algorithm: z.described(
    z.optional(z.enum(privateAlgorithms)),
    "How the JWT is signed. Default: what suits the key.",
  ),
  lifetime,
});

type ExchangeAssertion = z.output<typeof exchangeAssertionSchema>;

export const assertionKey: SecretField = {
  ...{ name: KEY, optional: false, label: "Private key" },
  hint: "PEM or JWK, whose public half the API knows",
};

/** Returns `values` with a JWT beside them, signed for the moment `at` (wall clock, ms). */
export async function withAssertion(
  { secrets }: AcquireContext<unknown>,
  assertion: ExchangeAssertion | undefined,
  values: TemplateValues,
  at: number,
): Promise<TemplateValues> {
  if (!assertion) return values;
  const { claims, lifetime: assertion_lifetime, ...settings } = assertion;
  const signed = { claims, settings: { ...settings, assertion_lifetime }, secrets, values, at };
  return { ...values, [ASSERTION]: await signClaims(signed) };
}
