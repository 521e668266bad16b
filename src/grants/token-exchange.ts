import { omitUndefined } from "../base/omit-undefined.ts";
import * as z from "../base/zod.ts";
import { required } from "./build-request.ts";
import { whyUnfitKey } from "./client-assertion.ts";
import { clientSecret } from "./client-auth.ts";
import type { Grant } from "./grant.ts";
import { SUBJECT_TOKEN, subjectSchema, subjectSecrets, subjectTokenType, TYPE } from "./subject.ts";
import {
  addressOf,
  consistent,
  issuerOr,
  requestCode,
  requestToken,
  stepUpShape,
  tokenEndpointShape,
} from "./token-endpoint.ts";

const schema = consistent(
  z.strictObject({
    ...tokenEndpointShape,
    ...stepUpShape,
    subject: z.described(
      z.optional(subjectSchema),
      "Where the subject token comes from. Without it: the secret subject_token.",
    ),
    subject_token_type: z.described(
      z.optional(z.nonEmpty),
      `The subject token's type (RFC 8693 section 3). Default: ${TYPE}jwt; ${TYPE}access_token for another credential's; AWS' own for aws.`,
    ),
    requested_token_type: z.described(
      z.optional(z.nonEmpty),
      `The type of token to ask for, such as ${TYPE}access_token.`,
    ),
  }),
).check(
  z.refine(...issuerOr("token_url")),
  z.refine(
    ({ subject, audience }) =>
      subject?.aws === undefined || (subject.aws.audience ?? audience) !== undefined,
    "audience is missing: subject.aws signs whom its request is for",
  ),
);

/** Exchanges a token for another (RFC 8693): a workload's identity, or a token with fewer rights. */
export const tokenExchange: Grant<z.output<typeof schema>> = {
  summary: "another token: a workload's identity, or a credential's",
  schema,
  secrets: (settings) => [
    ...(settings.subject ? [] : [{ name: SUBJECT_TOKEN, optional: false, label: "Subject token" }]),
    ...subjectSecrets(settings.subject),
    ...clientSecret(settings, true),
  ],
  whyUnfitSecret: whyUnfitKey,
  issuerUrl: addressOf,
  acceptsTarget: () => true,
  stepsUp: true,
  timeStep: requestCode,
  acquire: (context) => {
    const { settings, secrets } = context;
    return requestToken(context, () => ({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: required(secrets, SUBJECT_TOKEN),
      subject_token_type: settings.subject_token_type ?? subjectTokenType(settings.subject),
      ...omitUndefined({ requested_token_type: settings.requested_token_type }),
    }));
  },
};
