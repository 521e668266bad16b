/** Reads Google's external-account configuration (AIP-4117) as a credential's settings and secrets. */
import { isLoopback } from "../../base/loopback.ts";
import { omitUndefined } from "../../base/omit-undefined.ts";
import * as z from "../../base/zod.ts";
import type { Json } from "../../protocol.ts";
import { type Source, sourceOf, sourceSchema } from "./external-account-source.ts";
import { type Exchange, whatIsRead } from "./what-it-does.ts";

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/** Tokens go there: over plain http only on this machine. */
const url = z
  .url({ protocol: /^https?$/ })
  .check(
    z.refine((text) => new URL(text).protocol === "https:" || isLoopback(new URL(text).hostname)),
  );

const schema = z.strictObject({
  type: z.enum(["external_account"]),
  audience: z.nonEmpty,
  subject_token_type: z.nonEmpty,
  token_url: url,
  credential_source: sourceSchema,
  service_account_impersonation_url: z.optional(url),
  service_account_impersonation: z.optional(
    z.strictObject({ token_lifetime_seconds: z.optional(z.int()) }),
  ),
  client_id: z.optional(z.nonEmpty),
  client_secret: z.optional(z.nonEmpty),
  quota_project_id: z.optional(z.nonEmpty),
  workforce_pool_user_project: z.optional(z.string().check(z.regex(/^[\w:.-]+$/))),
  // Nothing here depends on these.
  token_info_url: z.optional(z.json()),
  universe_domain: z.optional(z.json()),
});

type Configuration = z.output<typeof schema>;

/** What `credentials/add` takes, and what of it a person is to see before. */
interface MappedAccount extends Exchange {
  grant: "token_exchange" | "exchange";
  settings: Record<string, Json>;
  secrets: Record<string, string>;
}

/**
 * Maps a configuration; `scopes`: those to ask for, Google's widest if there are none. Returns as a text, which
 * ends a sentence, what can't be mapped; it names keys, and no values.
 */
export function mapExternalAccount(
  value: unknown,
  scopes: readonly string[],
): MappedAccount | string {
  const { data, error } = schema.safeParse(value);
  if (!data) return unmapped(error.issues);
  const source = sourceOf(data);
  if (typeof source === "string") return source;
  const impersonates = data.service_account_impersonation_url !== undefined;
  if (impersonates && (data.client_id ?? data.client_secret) !== undefined) {
    return "has client_id beside service_account_impersonation_url, which authd can't do";
  }
  const scope = scopes.length > 0 ? scopes : [SCOPE];
  const mapped = impersonates ? impersonating(data, source, scope) : plain(data, source, scope);
  const { quota_project_id: project } = data;
  const headers = project && { authorization: "Bearer {token}", "x-goog-user-project": project };
  const { client_secret } = data;
  return {
    ...mapped,
    settings: { ...mapped.settings, ...(headers ? { headers } : {}) },
    secrets: { ...source.secrets, ...omitUndefined({ client_secret }) },
    reads: whatIsRead(source.subject),
    sends: [data.token_url, data.service_account_impersonation_url ?? []].flat(),
  };
}

/** The federated token itself (RFC 8693). */
function plain(data: Configuration, { subject }: Source, scope: readonly string[]) {
  const { token_url, audience, subject_token_type, client_id } = data;
  const options = optionsOf(data);
  const settings = {
    ...{ token_url, audience, scope: scope.join(" "), subject_token_type, subject },
    requested_token_type: ACCESS_TOKEN,
    ...omitUndefined({ client_id, extra: options && { options } }),
  };
  return { grant: "token_exchange" as const, settings };
}

/** A token of the service account, which the federated one obtains. */
function impersonating(data: Configuration, { subject }: Source, scope: readonly string[]) {
  const { token_url, audience, subject_token_type, service_account_impersonation } = data;
  const seconds = service_account_impersonation?.token_lifetime_seconds;
  const exchange = {
    url: token_url,
    form: {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      ...{ audience, scope: SCOPE, requested_token_type: ACCESS_TOKEN },
      ...{ subject_token: "{secret.subject_token}", subject_token_type },
      ...omitUndefined({ options: optionsOf(data) }),
    },
    take: { federated: "/access_token" },
  };
  const impersonation = {
    url: data.service_account_impersonation_url ?? "",
    headers: { authorization: "Bearer {federated}" },
    json: { scope: [...scope], ...(seconds ? { lifetime: `${seconds}s` } : {}) },
  };
  const isAws = typeof subject.aws === "object";
  const settings = {
    subject: isAws ? { aws: { ...(subject.aws as object), audience } } : subject,
    steps: [exchange, impersonation],
    response: { token: "/accessToken", expires_at: "/expireTime" },
  };
  return { grant: "exchange" as const, settings };
}

function optionsOf({ workforce_pool_user_project: userProject }: Configuration) {
  return userProject && JSON.stringify({ userProject });
}

/** Names the keys that are unknown, missing or of another shape. */
function unmapped(issues: readonly z.core.$ZodIssue[]): string {
  const unknown = issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => [...issue.path, key].join("."))
      : [],
  );
  if (unknown.length > 0) return `has ${unknown.join(", ")}, which authd can't map`;
  const keys = [...new Set(issues.map(({ path }) => path.join(".")))];
  return `is no external-account configuration: ${keys.join(", ") || "it is no JSON object"} is missing, or not as AIP-4117 has it`;
}
