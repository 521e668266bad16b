import * as z from "../base/zod.ts";
import { whyUnfitKey } from "./client-assertion.ts";
import { clientSecret } from "./client-auth.ts";
import type { Grant } from "./grant.ts";
import {
  addressOf,
  clientId,
  consistent,
  issuerOr,
  requestCode,
  requestToken,
  stepUpShape,
  tokenEndpointShape,
} from "./token-endpoint.ts";

const schema = consistent(
  z.strictObject({ ...tokenEndpointShape, ...stepUpShape, client_id: clientId }),
).check(z.refine(...issuerOr("token_url")));

/** Signs in a program as itself (RFC 6749 section 4.4). */
export const clientCredentials: Grant<z.output<typeof schema>> = {
  summary: "a client id and secret (OAuth)",
  schema,
  secrets: (settings) => clientSecret(settings, false),
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  stepsUp: true,
  timeStep: requestCode,
  acquire: (context) => requestToken(context, () => ({ grant_type: "client_credentials" })),
};
