import { didYouMean } from "../base/suggest.ts";
import { AuthdError } from "../errors.ts";
import { authorizationCode } from "./authorization-code.ts";
import { clientCredentials } from "./client-credentials.ts";
import { deviceCode } from "./device-code.ts";
import { exchange } from "./exchange.ts";
import type { Grant } from "./grant.ts";
import { jwtBearer } from "./jwt-bearer.ts";
import { password } from "./password.ts";
import { refreshToken } from "./refresh-token.ts";
import { staticToken } from "./static.ts";
import { tokenExchange } from "./token-exchange.ts";

export { type AwsKeys, signedCallerIdentity } from "./aws-signature.ts";
export { AWS_REGION, type AwsSubject, awsKeysUrl, awsStsUrl } from "./aws-subject.ts";
export { clientSecretNames } from "./client-auth.ts";
export { clientCertificate } from "./client-certificate.ts";
export {
  apiWantsNonce,
  createDpopKey,
  type Dpop,
  type DpopNonces,
  dpopProof,
  learnNonce,
} from "./dpop.ts";
export { ASSERTION } from "./exchange-assertion.ts";
export { derivedSecrets } from "./hidden-values.ts";
export { readAnswer, textAt } from "./place.ts";
export { reveals } from "./redaction.ts";
export { filledHeaders } from "./request-parameters.ts";
export { SUBJECT_TOKEN, type Subject, subjectAddresses } from "./subject.ts";
export { tokenIdentity } from "./token-claims.ts";

/** Every way of obtaining tokens, by its name in credential files. */
export const grants = {
  client_credentials: clientCredentials,
  password,
  refresh_token: refreshToken,
  authorization_code: authorizationCode,
  device_code: deviceCode,
  jwt_bearer: jwtBearer,
  token_exchange: tokenExchange,
  exchange,
  static: staticToken,
} satisfies Record<string, Grant>;

export type GrantName = keyof typeof grants;

/** A credential's grant, and the grant's own settings. */
interface GrantSettings {
  readonly grant: string;
  readonly own: unknown;
}

/** Returns the name of the secret that the issuer may replace with each response; undefined if there is none. */
export function rotatingSecret({ grant, own }: GrantSettings): string | undefined {
  return grantNamed(grant).rotates?.(own);
}

/** True if the rotating secret comes of a sign-in with the other secrets, and nobody enters it. */
export function obtainsRotating({ grant, own }: GrantSettings): boolean {
  return grantNamed(grant).obtainsRotating?.(own) ?? false;
}

/** Returns a row of the table. Throws AuthdError `invalid_params` for a name that has none. */
export function grantNamed(name: string): Grant {
  if (Object.hasOwn(grants, name)) return grants[name as GrantName];
  throw new AuthdError(
    "invalid_params",
    `There is no grant "${name}".${didYouMean(name, Object.keys(grants))} Grants: ${Object.keys(grants).join(", ")}.`,
  );
}
