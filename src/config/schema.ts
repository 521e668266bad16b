import { HEADER_NAME } from "../base/header-names.ts";
import { didYouMean } from "../base/suggest.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import { answerConditionSchema } from "../grants/answer-condition.ts";
import { lifetimeSchema } from "../grants/lifetime-setting.ts";
import { NAME } from "./name.ts";
import { policyKeys } from "./policy-schema.ts";

/** Keys that every credential file may have, whatever its grant (docs/configuration.md). */
export const commonSchema = z.partial(
  z.strictObject({
    origins: z.described(
      z.array(z.string()),
      "Where the token may be sent: scheme, host and port; {kept.NAME} beside a pattern",
    ),
    headers: z.described(
      z.record(z.string(), z.string()),
      "Sent with every request; templates with {token}, {secret.NAME} and {field}",
    ),
    query: z.described(
      z.record(z.nonEmpty, z.string()),
      "Parameters in the query of every request; templates as in headers",
    ),
    cookie: z.described(
      z.record(z.string().check(z.regex(HEADER_NAME, "is not a cookie name")), z.string()),
      "Cookies of every request; templates as in headers",
    ),
    body: z.described(
      z.record(z.nonEmpty, z.string()),
      "Members of every body, which has to be a form or a JSON object; templates as in headers",
    ),
    follow: z.described(
      z.array(z.string()),
      "Other origins, or patterns, that a redirect may lead to, without anything of the credential's",
    ),
    ttl: z.described(z.number().check(z.positive()), "Seconds, if the issuer gives no lifetime"),
    lifetime: lifetimeSchema,
    warm: z.described(z.enum(["used", "always"]), "When to renew before expiry"),
    verify: z.described(
      z.partial(
        z.strictObject({ method: z.enum(["GET", "HEAD", "POST", "OPTIONS"]), url: z.string() }),
        { method: true },
      ),
      "The request that `authd test` makes",
    ),
    ca_file: z.described(z.nonEmpty, "PEM file with the private CA to trust"),
    allow_insecure_http: z.described(z.boolean(), "Permits plain http beyond loopback"),
    group: z.described(
      z.string().check(z.regex(NAME, "expected a name such as web")),
      "The group of hosts that share it, in a store; by default the group default",
    ),
    secret_expires: z.described(z.iso.date(), "The day on which the secret runs out"),
    rejected_statuses: z.described(
      z.array(z.int().check(z.minimum(400), z.maximum(599))),
      "HTTP statuses with which the issuer refuses a secret",
    ),
    rejected_on: z.described(
      z.array(answerConditionSchema),
      "Answers with which the issuer refuses a secret: in all, a status, a body, a header",
    ),
    renew_on: z.described(
      z.array(answerConditionSchema),
      "Answers of the API, beside a 401, that mean an expired token",
    ),
    fields: z.described(
      z.record(z.string().check(z.regex(/^[A-Za-z0-9_-]+$/)), z.string()),
      "Values of your own, for templates",
    ),
    ...policyKeys,
  }),
);

export type Common = z.output<typeof commonSchema>;

/** Returns the keys of an object schema, wrapped or a union of such; none for any other. */
export function shapeOf(schema: unknown): Readonly<Record<string, unknown>> {
  if (schema instanceof z.ZodMiniObject) return schema.shape;
  if (schema instanceof z.ZodMiniPipe) return shapeOf(schema.def.in);
  if (schema instanceof z.ZodMiniOptional || schema instanceof z.ZodMiniDefault) {
    return shapeOf(schema.def.innerType);
  }
  if (schema instanceof z.ZodMiniUnion)
    return Object.assign({}, ...schema.def.options.map(shapeOf));
  return {};
}

/**
 * Parses with a schema. Throws an AuthdError `invalid_params` that names each key and its mistake, and
 * never quotes a value.
 */
export function parseWith<Output>(schema: z.ZodMiniType<Output>, value: unknown): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AuthdError("invalid_params", problemsOf(schema, value).slice(0, 5).join(" "));
}

/** Returns a text for each mistake in `value`, of those at a path that `counts`; see `parseWith`. */
export function problemsOf(
  schema: z.ZodMiniType,
  value: unknown,
  counts: (path: readonly PropertyKey[]) => boolean = () => true,
): string[] {
  const issues = schema.safeParse(value).error?.issues ?? [];
  const counted = issues.filter(
    (issue) => issue.code === "unrecognized_keys" || counts(issue.path),
  );
  return [...new Set(counted.flatMap((issue) => describe(issue, schema, value)))];
}

/** Returns "There is no key …", with the nearest known key. */
export function unknownKey(key: string, known: Iterable<string>): string {
  return `There is no key "${key}".${didYouMean(key, known)}`;
}

function describe(issue: z.core.$ZodIssue, schema: unknown, value: unknown): string[] {
  if (issue.code === "unrecognized_keys") {
    const keys = Object.keys(shapeOf(schemaAt(schema, issue.path)));
    return issue.keys.map((key) =>
      unknownKey(
        dotted([...issue.path, key]),
        keys.map((known) => dotted([...issue.path, known])),
      ),
    );
  }
  const inner = issue.code === "invalid_union" ? branchFor(issue) : undefined;
  if (inner) {
    return inner.flatMap((each) =>
      describe({ ...each, path: [...issue.path, ...each.path] }, schema, value),
    );
  }
  const key = dotted(issue.path);
  if (key !== "" && valueAt(value, issue.path) === undefined) return [`${key} is missing.`];
  const what =
    issue.code === "invalid_union"
      ? nearestBranch(issue)
      : issue.code === "invalid_key"
        ? issue.issues.map(({ message }) => message).join(" and ")
        : issue.message;
  const text = what.replace(/^Invalid (input|option): /, "");
  return [key === "" ? `${text}.` : `${key}: ${text}.`];
}

/** Returns the issues of the only branch whose type the value has: those of the others say nothing. */
function branchFor({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const isOther = ({ code, path }: z.core.$ZodIssue) =>
    path.length === 0 && (code === "invalid_type" || code === "invalid_value");
  const branches = errors.filter((issues) => !issues.some(isOther));
  return branches.length === 1 ? branches[0] : undefined;
}

function nearestBranch(issue: z.core.$ZodIssueInvalidUnion): string {
  const messages = issue.errors.flatMap((branch) => branch.map((inner) => inner.message));
  return [...new Set(messages)].join(" or ").replaceAll("Invalid input: ", "") || issue.message;
}

function schemaAt(schema: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((at: unknown, key) => shapeOf(at)[String(key)], schema);
}

/** Returns the member of tables and lists at a path; undefined if there is none. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(
    (at: unknown, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}
