import { omitUndefined } from "../base/omit-undefined.ts";
import * as z from "../base/zod.ts";
import { KEY, whyUnfitKey } from "./client-assertion.ts";
import { clientSecret } from "./client-auth.ts";
import type { AcquireContext, Grant } from "./grant.ts";
import { claimsSchema, signClaims } from "./signed-claims.ts";
import {
  addressOf,
  consistent,
  issuerOr,
  requestCode,
  requestToken,
  stepUpShape,
  templateValues,
  tokenEndpointShape,
} from "./token-endpoint.ts";

const schema = consistent(
  z.strictObject({ ...tokenEndpointShape, ...stepUpShape, claims: claimsSchema }),
  {
    signs: true,
  },
).check(
  z.refine(...issuerOr("token_url")),
  z.refine(({ claims, client_id }) => claims.iss !== undefined || client_id !== undefined, {
    path: ["claims", "iss"],
    error: "is missing",
  }),
  z.refine(({ algorithm }) => !algorithm?.startsWith("HS"), {
    path: ["algorithm"],
    error: "does not suit a private key",
  }),
);

type JwtBearerSettings = z.output<typeof schema>;

/** Presents a JWT of one's own (RFC 7523 section 2.1): Google service accounts and others. */
export const jwtBearer: Grant<JwtBearerSettings> = {
  summary: "a JWT signed with a private key (Google service accounts)",
  schema,
  secrets: (settings) => [
    {
      ...{ name: KEY, optional: false, label: "Private key" },
      hint: "PEM or JWK, whose public half the issuer knows",
    },
    ...clientSecret(settings, true).filter(({ name }) => name !== KEY),
  ],
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  stepsUp: true,
  timeStep: requestCode,
  acquire: (context) => {
    const own = context.settings.claims.scope === undefined ? context : withScopeInside(context);
    const assertion = (at: number) => sign(context, at);
    const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    const parameters = async (at: number) => ({ grant_type, assertion: await assertion(at) });
    return requestToken(own, parameters, { timed: true });
  },
};

/** Leaves the scope out of the form, where the JWT has it. */
function withScopeInside(context: AcquireContext<JwtBearerSettings>) {
  const { scope: _scope, settings, ...rest } = context;
  const { scope: _own, ...others } = settings;
  return { ...rest, settings: others };
}

function sign(context: AcquireContext<JwtBearerSettings>, at: number): Promise<string> {
  const { settings, secrets, scope } = context;
  const { claims, client_id, issuer, token_url } = settings;
  const isInside = claims.scope !== undefined && scope !== undefined;
  const all = {
    ...omitUndefined({ iss: client_id, aud: issuer ?? token_url }),
    ...claims,
    ...(isInside && { scope }),
  };
  return signClaims({ claims: all, settings, secrets, values: templateValues(context), at });
}
