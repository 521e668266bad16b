/** The AWS form of a subject token (AIP-4117): a signed request, by which the issuer asks AWS who signed it. */
import { isAbsolute } from "node:path";
import * as z from "../base/zod.ts";
import { AUDIENCE_HEADER } from "./aws-signature.ts";
import type { SecretField } from "./grant.ts";

/** Where an instance of EC2 asks who it is. */
const INSTANCE_URL = "http://169.254.169.254";
const STS_URL = "https://sts.{region}.amazonaws.com";

export const AWS_TOKEN_TYPE = "urn:ietf:params:aws:token-type:aws4_request";

/** Names of regions: eu-central-1. */
export const AWS_REGION = /^[a-z0-9-]{1,32}$/;

export const awsSubjectSchema = z
  .strictObject({
    keys: z.described(
      z._default(z.enum(["instance", "container", "vault"]), "instance"),
      "Whose keys sign: those of an instance's role, those that a container's endpoint tells, or secrets in the vault.",
    ),
    url: z.described(
      z.optional(z.string()),
      `The metadata service of instances, default ${INSTANCE_URL}; or the container's endpoint, with its path.`,
    ),
    token_file: z.described(
      z.optional(z.string().check(z.refine(isPath, "must be an absolute path"))),
      "The file whose text a container's endpoint wants as the Authorization header.",
    ),
    region: z.described(
      z.optional(z.string().check(z.regex(AWS_REGION, "must be a region such as eu-central-1"))),
      "The region whose STS is to be asked. Default: the instance's.",
    ),
    sts_url: z.described(
      z.optional(z.string()),
      `The STS that is to be asked; {region} is filled in. Default: ${STS_URL}`,
    ),
    audience: z.described(
      z.optional(z.nonEmpty),
      `What the signed header ${AUDIENCE_HEADER} says. Default: audience.`,
    ),
  })
  .check(
    z.refine(
      ({ keys, url }) => keys !== "container" || url !== undefined,
      "needs url, the container's endpoint: AWS_CONTAINER_CREDENTIALS_FULL_URI has it",
    ),
    z.refine(({ keys, url }) => keys !== "vault" || url === undefined, {
      path: ["url"],
      error: "has no use where the keys are in the vault",
    }),
    z.refine(({ keys, token_file }) => keys === "container" || token_file === undefined, {
      path: ["token_file"],
      error: "has no use without a container's endpoint",
    }),
    z.refine(
      ({ keys, region }) => keys === "instance" || region !== undefined,
      "needs region: only an instance's metadata service tells it",
    ),
  );

/** True for the absolute path of a file or program. */
export function isPath(text: string | undefined): boolean {
  return text !== undefined && isAbsolute(text) && !text.includes("\0");
}

export type AwsSubject = z.output<typeof awsSubjectSchema>;

/** Returns the address that tells the keys; undefined: they are in the vault. */
export function awsKeysUrl({ keys, url }: AwsSubject): string | undefined {
  return keys === "vault" ? undefined : (url ?? INSTANCE_URL);
}

/** Returns the address of STS, which is only signed: nothing is sent there. */
export function awsStsUrl({ sts_url = STS_URL }: AwsSubject, region: string): string {
  return sts_url.replaceAll("{region}", region);
}

export const AWS_SECRETS: readonly SecretField[] = [
  { name: "access_key_id", optional: false, label: "Access key ID" },
  { name: "secret_access_key", optional: false, label: "Secret access key" },
  { name: "session_token", optional: true, label: "Session token" },
];
