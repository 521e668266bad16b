/** The part of Google's external-account configuration that says where the subject token comes from. */
import { isAbsolute } from "node:path";
import { omitUndefined } from "../../base/omit-undefined.ts";
import * as z from "../../base/zod.ts";
import type { Json } from "../../protocol.ts";

/** Milliseconds that authd gives a program. */
const MOST_MS = 30_000;
/** Headers that everybody may see; the values of all others go into the vault. */
const PUBLIC_HEADERS = ["accept", "metadata", "metadata-flavor"];
const STS = "https://sts.{region}.amazonaws.com";

const format = z.strictObject({
  type: z.enum(["text", "json"]),
  subject_token_field_name: z.optional(z.nonEmpty),
});

const executable = z.strictObject({
  command: z.nonEmpty,
  timeout_millis: z.optional(z.int()),
  output_file: z.optional(z.nonEmpty),
});

export const sourceSchema = z.strictObject({
  file: z.optional(z.nonEmpty),
  url: z.optional(z.nonEmpty),
  headers: z.optional(z.record(z.string(), z.string())),
  format: z.optional(format),
  executable: z.optional(executable),
  environment_id: z.optional(z.nonEmpty),
  region_url: z.optional(z.nonEmpty),
  regional_cred_verification_url: z.optional(z.nonEmpty),
  imdsv2_session_token_url: z.optional(z.nonEmpty),
});

type SourceGiven = z.output<typeof sourceSchema>;

/** The parts of the configuration that a program is told. */
interface Given {
  audience: string;
  subject_token_type: string;
  service_account_impersonation_url?: string | undefined;
  credential_source: SourceGiven;
}

export interface Source {
  /** The table `subject`. */
  subject: Record<string, Json>;
  secrets: Record<string, string>;
}

/** Returns as a text, which ends a sentence, what can't be mapped. */
export function sourceOf(given: Given): Source | string {
  const { environment_id, executable, file, url } = given.credential_source;
  if (environment_id !== undefined) return awsSource(given.credential_source);
  if (executable !== undefined) return programSource(given, executable);
  const place = placeOf(given.credential_source);
  if (file !== undefined) return plainSource({ file, ...place });
  if (url !== undefined) return urlSource(url, given.credential_source, place);
  return "has no file, url, executable or environment_id in credential_source";
}

const plainSource = (subject: Source["subject"]): Source => ({ subject, secrets: {} });

function placeOf({ format }: SourceGiven): { place?: string } {
  if (format?.type !== "json") return {};
  const name = format.subject_token_field_name ?? "access_token";
  return { place: `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` };
}

function urlSource(url: string, { headers = {} }: SourceGiven, place: { place?: string }) {
  if (!URL.canParse(url)) return "has no URL in credential_source.url";
  const secrets: Record<string, string> = {};
  const templates: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const secret = `subject_${name.toLowerCase().replaceAll(/[^a-z0-9]/g, "_")}`;
    const isPublic = PUBLIC_HEADERS.includes(name.toLowerCase());
    if (!isPublic) secrets[secret] = value;
    templates[name.toLowerCase()] = isPublic ? value : `{secret.${secret}}`;
  }
  const isAsked = Object.keys(templates).length > 0;
  const subject = { url, ...(isAsked ? { headers: templates } : {}), ...place };
  return { subject, secrets };
}

/** Runs the program with the variables that it may expect, and none beside: env adds them. */
function programSource(
  given: Given,
  { command, timeout_millis = MOST_MS }: z.output<typeof executable>,
) {
  const words = command.trim().split(/\s+/);
  if (!isAbsolute(words[0] ?? "")) {
    return "has a program in credential_source.executable.command without an absolute path, which authd does not run";
  }
  if (timeout_millis > MOST_MS) {
    return `has credential_source.executable.timeout_millis over ${MOST_MS}: authd gives a program ${MOST_MS / 1_000} s`;
  }
  const { audience, subject_token_type, service_account_impersonation_url } = given;
  const email = /serviceAccounts\/([^/:]+):/.exec(service_account_impersonation_url ?? "")?.[1];
  const variables = Object.entries(
    omitUndefined({
      AUDIENCE: audience,
      TOKEN_TYPE: subject_token_type,
      INTERACTIVE: "0",
      IMPERSONATED_EMAIL: email,
    }),
  ).map(([name, value]) => `GOOGLE_EXTERNAL_ACCOUNT_${name}=${value}`);
  const isSaml = subject_token_type.endsWith(":saml2");
  const place = isSaml ? "/saml_response" : "/id_token";
  return plainSource({ exec: ["/usr/bin/env", ...variables, ...words], place });
}

function awsSource(source: SourceGiven): Source | string {
  const {
    environment_id,
    url,
    region_url,
    imdsv2_session_token_url,
    regional_cred_verification_url,
  } = source;
  if (environment_id !== "aws1")
    return "has another version of AWS in credential_source.environment_id than aws1";
  const address = url ?? "http://169.254.169.254/";
  if (!URL.canParse(address)) return "has no URL in credential_source.url";
  const { origin } = new URL(address);
  const known = {
    url: [`${origin}/latest/meta-data/iam/security-credentials`],
    region_url: ["availability-zone", "region"].map(
      (last) => `${origin}/latest/meta-data/placement/${last}`,
    ),
    imdsv2_session_token_url: [`${origin}/latest/api/token`],
  };
  const asked = { url, region_url, imdsv2_session_token_url };
  const [other] = Object.entries(asked).filter(
    ([key, value]) =>
      value !== undefined && !known[key as keyof typeof known].includes(value.replace(/\/$/, "")),
  );
  if (other)
    return `has credential_source.${other[0]} elsewhere than at the metadata service of EC2, which authd can't map`;
  const sts = regional_cred_verification_url?.split("?")[0]?.replace(/\/$/, "");
  const isUsual = sts === undefined || sts === STS;
  const isDefault = origin === "http://169.254.169.254";
  const aws = {
    keys: "instance",
    ...(isDefault ? {} : { url: origin }),
    ...(isUsual ? {} : { sts_url: sts }),
  };
  return { subject: { aws }, secrets: {} };
}
