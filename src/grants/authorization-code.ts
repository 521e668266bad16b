import { whyUnfitKey } from "./client-assertion.ts";
import type { Grant } from "./grant.ts";
import { renew } from "./login/renewal.ts";
import {
  type AuthorizationCodeSettings,
  authorizationCodeSchema,
  clientSecrets,
} from "./login/settings.ts";
import { addressOf } from "./token-endpoint.ts";

/** A person signs in with a browser, here or elsewhere (RFC 6749 section 4.1, RFC 8252, RFC 8628). */
export const authorizationCode: Grant<AuthorizationCodeSettings> = {
  summary: "a person signs in with a browser (OAuth, OpenID Connect)",
  schema: authorizationCodeSchema,
  secrets: clientSecrets,
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  rotates: () => "refresh_token",
  signsIn: ["browser", "device", "paste"],
  acquire: renew,
};
