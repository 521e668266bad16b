import { createHash } from "node:crypto";
import { omitUndefined } from "../base/omit-undefined.ts";
import { referenced } from "../base/template.ts";
import { canonical, isTable, type Table } from "./json-table.ts";
import { RESTRICTED_PREFIX } from "./policy.ts";
import type { RegisterRequest } from "./settings.ts";

/** Everything that decides where a credential's secrets and tokens go. */
export interface BindingParts {
  grant: string;
  /** The grant's own settings, resolved. */
  own: Readonly<Record<string, unknown>>;
  origins: readonly string[];
  /** Templates in which only `{token}` and `{secret.NAME}` are left. */
  headers: Readonly<Record<string, string>>;
  /** Absent, as in files without these keys: the digest stays what it was. */
  query?: Readonly<Record<string, string>>;
  cookie?: Readonly<Record<string, string>>;
  body?: Readonly<Record<string, string>>;
  follow?: readonly string[];
  /** The group of hosts that share the credential. */
  group?: string;
  fields: Readonly<Record<string, string>>;
  /** PEM text: the file's content, not its name. */
  ca?: string | undefined;
  allowInsecureHttp: boolean;
  register?: RegisterRequest | undefined;
  /** The rules of use, as the file says them; undefined if nothing is limited. */
  policy?: object | undefined;
  /** The request of `authd test`. */
  verify?: object | undefined;
}

/**
 * The grant's own keys that can change without anybody's consent: they say what is asked for, or how
 * the answer is read, but every secret still goes to the same place. All others count, those of a
 * grant yet to be written too: a key forgotten here costs a needless `authd trust`, whereas one
 * forgotten in a list of those that count would let a pulled dotfiles repo redirect a secret.
 */
const HARMLESS = new Set([
  ...["scope", "step_up_scope", "audience", "resource", "client_id", "username", "response"],
  ...["single_access_token", "reuse_grace", "prompt", "login_hint", "max_age"],
]);

/**
 * Returns SHA-256 in base64url over what decides where secrets go and who may use them. The order of
 * keys does not matter. A prefix marks a binding with a policy: a person who takes the policy out of the
 * file must not be able to accept that edit, too.
 *
 * It does not cover: `ttl`, `lifetime`, `warm`, `secret_expires`, `rejected_statuses`, `rejected_on` and
 * `renew_on` decide when, not where, and what a policy forbids stays forbidden;
 * `verify` goes to one of the origins and carries what any request to them may carry. Fields count
 * only where a template still names them (all others are in the resolved settings already), so that
 * a note in [fields] can be edited freely. With a policy `verify` and the harmless keys count, too:
 * they would be a way to send, or to ask for, something that the policy forbids.
 */
export function bindingOf(parts: BindingParts): Binding {
  const isGuarded = parts.policy !== undefined;
  const own = Object.fromEntries(
    Object.entries(parts.own).filter(([key]) => isGuarded || !HARMLESS.has(key)),
  );
  const response = isGuarded ? undefined : boundResponse(parts);
  if (response) own.response = response;
  const content = {
    grant: parts.grant,
    own,
    origins: [...parts.origins].sort(),
    headers: parts.headers,
    ...omitUndefined({
      query: parts.query,
      cookie: parts.cookie,
      body: parts.body,
      follow: parts.follow && [...parts.follow].sort(),
      group: parts.group,
    }),
    fields: namedFields([own, parts.register, sentToApi(parts)], parts.fields),
    ca: parts.ca,
    allowInsecureHttp: parts.allowInsecureHttp,
    register: parts.register,
    policy: parts.policy,
    verify: isGuarded ? parts.verify : undefined,
  };
  const digest = createHash("sha256")
    .update(`authd binding 1\n${canonical(content)}`)
    .digest("base64url");
  return { digest: isGuarded ? RESTRICTED_PREFIX + digest : digest, values: valuesOf(content) };
}

/**
 * Returns the part of `[response]` that decides which values of an answer are sent to APIs and handed out;
 * undefined if nothing does. An exchange's token is not bound: it is where the file of before had it.
 */
function boundResponse({ grant, own }: BindingParts): Table | undefined {
  const { response } = own;
  if (!isTable(response)) return undefined;
  const { token, refresh_token, keep } = response;
  const bound = { token: grant === "exchange" ? undefined : token, refresh_token, keep };
  return Object.values(bound).some((value) => value !== undefined)
    ? omitUndefined<Table>(bound)
    : undefined;
}

/** Returns templates whose fields are filled in only with each token, as a function there has the token beside them. */
function sentToApi({ headers, query, cookie, body }: BindingParts) {
  return [headers, query, cookie, body];
}

/** Values of the keys that a binding is a digest of; a certificate stands as the SHA-256 of its PEM text. */
export type BoundValues = Readonly<Record<string, unknown>>;

export interface Binding {
  digest: string;
  /** Equal if, and only if, the digests are; without secrets. */
  values: BoundValues;
}

/** Names each part of the digest's content by the key of a credential file that sets it. */
function valuesOf({ own, fields, ca, allowInsecureHttp, policy, ...rest }: BoundContent) {
  const values = {
    ...{ ...own, ...rest, ...policy },
    fields: Object.keys(fields).length > 0 ? fields : undefined,
    ca_file: ca && `SHA-256 ${createHash("sha256").update(ca).digest("hex")}`,
    allow_insecure_http: allowInsecureHttp || undefined,
  };
  return omitUndefined<Record<string, unknown>>(values);
}

type BoundContent = Omit<BindingParts, "own" | "fields"> & {
  own: Record<string, unknown>;
  fields: Record<string, string>;
};

function namedFields(
  templates: unknown,
  fields: Readonly<Record<string, string>>,
): Record<string, string> {
  const names = referenced(JSON.stringify(templates), Object.keys(fields));
  return Object.fromEntries(names.map((name) => [name, fields[name]!]));
}
