/** Where a subject token comes from, which an issuer exchanges for a token of its own (RFC 8693 section 2.1). */
import * as z from "../base/zod.ts";
import {
  AWS_SECRETS,
  AWS_TOKEN_TYPE,
  awsKeysUrl,
  awsStsUrl,
  awsSubjectSchema,
  isPath,
} from "./aws-subject.ts";
import type { SecretField } from "./grant.ts";
import { placeSchema } from "./place.ts";
import { headersSchema } from "./request-parameters.ts";

/** The name of the subject token among the secrets of one request. */
export const SUBJECT_TOKEN = "subject_token";

/** Begins the types of RFC 8693 section 3. */
export const TYPE = "urn:ietf:params:oauth:token-type:";

export const subjectSchema = z
  .strictObject({
    file: z.described(
      z.optional(z.string().check(z.refine(isPath, "must be an absolute path"))),
      "A file, read for each token request.",
    ),
    url: z.described(
      z.optional(z.string()),
      "An address, such as a cloud's metadata service: asked for each token request.",
    ),
    headers: z.described(
      z.optional(headersSchema),
      "Headers of that request; {field} and {secret.name} are filled in.",
    ),
    exec: z.described(
      z.optional(
        z
          .array(z.string().check(z.regex(/^[^\0]*$/, "holds a NUL")))
          .check(
            z.refine(([program]) => isPath(program), "must begin with a program's absolute path"),
          ),
      ),
      "A program with its arguments, run without a shell for each token request. config.toml must say subject_exec = true.",
    ),
    credential: z.described(
      z.optional(z.nonEmpty),
      "Another credential here, whose access token it is.",
    ),
    aws: z.described(
      z.optional(awsSubjectSchema),
      "Keys of AWS, which sign the request that is the token (AIP-4117).",
    ),
    place: z.described(
      z.optional(placeSchema),
      "Where in the file, answer or output the token is. Default: all of the text.",
    ),
  })
  .check(
    z.refine(
      ({ file, url, exec, credential, aws }) =>
        [file, url, exec, credential, aws].filter((source) => source !== undefined).length === 1,
      "must have one of file, url, exec, credential and aws",
    ),
    z.refine(({ url, headers }) => headers === undefined || url !== undefined, {
      path: ["headers"],
      error: "has no use without url",
    }),
    z.refine(
      ({ credential, aws, place }) => place === undefined || (credential ?? aws) === undefined,
      {
        path: ["place"],
        error: "has no use with credential or aws",
      },
    ),
  );

export type Subject = z.output<typeof subjectSchema>;

/** Returns the secrets that a subject token is made of. */
export function subjectSecrets(subject: Subject | undefined): readonly SecretField[] {
  return subject?.aws?.keys === "vault" ? AWS_SECRETS : [];
}

/** Returns the usual type of a subject token of this source (RFC 8693 section 3). */
export function subjectTokenType(subject: Subject | undefined): string {
  if (subject?.aws !== undefined) return AWS_TOKEN_TYPE;
  return `${TYPE}${subject?.credential === undefined ? "jwt" : "access_token"}`;
}

/** Returns the addresses of a subject's source, by the key that holds them; `secure`: only `https:` will do. */
export function subjectAddresses({
  url,
  aws,
}: Subject): { key: string; url: string; secure?: boolean }[] {
  const keysUrl = aws && awsKeysUrl(aws);
  return [
    ...(url === undefined ? [] : [{ key: "subject.url", url }]),
    ...(keysUrl === undefined ? [] : [{ key: "subject.aws.url", url: keysUrl }]),
    // A region is a label of its host.
    ...(aws ? [{ key: "subject.aws.sts_url", url: awsStsUrl(aws, "region"), secure: true }] : []),
  ];
}
