import * as z from "../base/zod.ts";
import { whyUnfitKey } from "./client-assertion.ts";
import { clientSecret } from "./client-auth.ts";
import type { Grant } from "./grant.ts";
import { refreshResponse } from "./response-settings.ts";
import {
  addressOf,
  consistent,
  issuerOr,
  renewalShape,
  renewWithRefreshToken,
  requestCode,
  tokenEndpointShape,
} from "./token-endpoint.ts";

const schema = consistent(
  z.strictObject({
    ...tokenEndpointShape,
    ...renewalShape,
    response: refreshResponse,
    single_access_token: z.described(
      z.optional(z.boolean()),
      "Whether each refresh revokes the access token of before (Ory Hydra). Default: as it is noticed.",
    ),
  }),
).check(z.refine(...issuerOr("token_url")));

/** Uses a refresh token from an earlier sign-in (RFC 6749 section 6); the response may contain a new one. */
export const refreshToken: Grant<z.output<typeof schema>> = {
  summary: "a refresh token from a sign-in elsewhere (OAuth)",
  schema,
  secrets: (settings) => [
    { name: "refresh_token", optional: false, label: "Refresh token" },
    ...clientSecret(settings, true),
  ],
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  rotates: () => "refresh_token",
  timeStep: requestCode,
  acquire: renewWithRefreshToken,
};
