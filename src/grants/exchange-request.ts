/** Builds an exchange's request from data with templates in it. */

import { omitUndefined } from "../base/omit-undefined.ts";
import { namesOf, placeholders } from "../base/placeholders.ts";
import { type Encode, missing, percent, render, type TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import { AuthdError } from "../errors.ts";
import type { IssuerRequest } from "./grant.ts";
import { placeSchema } from "./place.ts";
import {
  filledHeaders,
  filledParameters,
  formBody,
  headersSchema,
  parametersSchema,
} from "./request-parameters.ts";
import { exchangeResponse } from "./response-settings.ts";

/** Names of the options of a caller that templates may contain. */
export const CALLER_VALUES: readonly string[] = ["scope", "audience"];
const WITHOUT_BODY = new Set(["GET", "HEAD"]);

/** Names of values of one's own, in templates. */
const ownName = z
  .string()
  .check(
    z.regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, "must be a letter, then letters, digits, _ and -"),
  );

const shape = {
  method: z.described(
    z._default(
      z
        .pipe(
          z.string().check(z.regex(/^[A-Za-z]+$/, "must be an HTTP method such as POST")),
          z.transform((method) => method.toUpperCase()),
        )
        .check(
          z.refine(
            (method) => method !== "TRACE" && method !== "CONNECT",
            "can't be TRACE or CONNECT",
          ),
        ),
      "POST",
    ),
    "The HTTP method.",
  ),
  url: z.described(
    z.nonEmpty,
    "Where to ask; {field} and {secret.name} are filled in, percent-encoded.",
  ),
  headers: z.described(z._default(headersSchema, {}), "Headers of the request."),
  form: z.described(z.optional(parametersSchema), "The body as a form; a list repeats its name."),
  json: z.described(
    z.optional(z.json()),
    "The body as JSON: an object, or any value; a string is sent as a JSON string.",
  ),
  text: z.described(z.optional(z.string()), "The body as plain text."),
  // Without a default: a file that lacks it is bound to its secrets as before.
  repeatable: z.described(
    z.optional(z.boolean()),
    "Whether the request may be sent again if a kept-alive connection was closed before a byte of the answer came. Default: true; false if doing it twice does harm.",
  ),
  values: z.described(
    z.optional(z.record(ownName, z.string())),
    "Values by names of your own, for templates of this request and of later steps: each may use those above it.",
  ),
};

const hasOneBody = ({ form, json, text }: { form?: unknown; json?: unknown; text?: unknown }) =>
  [form, json, text].filter((body) => body !== undefined).length <= 1;
const MANY_BODIES = "has more than one of form, json and text";

export const requestSchema = z.strictObject(shape).check(z.refine(hasOneBody, MANY_BODIES));

/** The most steps of one sequence. */
const MAX_STEPS = 10;

export const stepsSchema = z
  .array(
    z
      .strictObject({
        ...shape,
        take: z.described(
          z.optional(z.record(ownName, placeSchema)),
          "Values of the answer, by names that later steps use as {name}.",
        ),
      })
      .check(z.refine(hasOneBody, MANY_BODIES)),
  )
  .check(z.minLength(1), z.maxLength(MAX_STEPS, `must be ${MAX_STEPS} steps at most`));

/** One request, or a sequence of them. */
export const renewSchema = z
  .strictObject({
    ...shape,
    url: z.optional(shape.url),
    steps: z.described(z.optional(stepsSchema), "The requests of a renewal, instead of one."),
    response: z.described(
      z.optional(exchangeResponse),
      "Where a renewal's answer has the token, if elsewhere than a sign-in's.",
    ),
  })
  .check(
    z.refine(hasOneBody, MANY_BODIES),
    z.refine(({ url, steps }) => (url === undefined) !== (steps === undefined), {
      path: ["url"],
      error: "is missing, or there is steps beside it",
    }),
  );

export type ExchangeStep = z.output<typeof stepsSchema>[number];

type ExchangeRequest = z.output<typeof requestSchema>;
type Json = z.infer<ReturnType<typeof z.json>>;

/**
 * Builds the request; `common` are headers below its own. Throws AuthdError `invalid_params` naming the value that
 * is missing or does not fit.
 */
export function writeRequest(
  request: ExchangeRequest,
  values: TemplateValues,
  common: Readonly<Record<string, string>> = {},
): IssuerRequest {
  const { method } = request;
  const url = renderUrl(request.url, values);
  const body = WITHOUT_BODY.has(method) ? undefined : writeBody(request, values);
  const headers = {
    accept: "application/json, text/plain;q=0.9, */*;q=0.8",
    ...body?.headers,
    ...filledHeaders(common, values),
    ...filledHeaders(request.headers, values),
  };
  const { repeatable = true } = request;
  return { method, url, headers, ...omitUndefined({ body: body?.body }), repeatable };
}

/**
 * Fills in a URL. A field at the very start is the base of the URL (`{base_url}/sign-in`) and filled in as it
 * is; everything after it is percent-encoded.
 */
export function renderUrl(template: string, values: TemplateValues, key = "request.url"): string {
  const base = /^\{(?!secret\.)[A-Za-z0-9_-]+\}/.exec(template)?.[0] ?? "";
  // A scope or audience that the caller left out is empty in a query.
  const known = { ...values, scope: values.scope ?? "", audience: values.audience ?? "" };
  const url =
    render(base, values, withoutEnd) + render(template.slice(base.length), known, percent);
  if (URL.canParse(url)) return url;
  throw new AuthdError("invalid_params", `${key} does not become a complete URL.`);
}

/** Fills in a URL with `fields`, and `example` in place of every other value. */
export function exampleUrl(
  template: string,
  fields: TemplateValues,
  example: string,
  key = "request.url",
): string {
  const others = placeholders(template)
    .flatMap(namesOf)
    .filter((name) => !Object.hasOwn(fields, name) || CALLER_VALUES.includes(name));
  const plain = placeholders(template).reduce(
    (text, { text: written, name }) => text.replace(written, `{${name}}`),
    template,
  );
  const values = { ...fields, ...Object.fromEntries(others.map((name) => [name, example])) };
  return renderUrl(plain, values, key);
}

const withoutEnd: Encode = (value) => value.replace(/(?<!\/)\/+$/, "");

function writeBody({ form, json, text }: ExchangeRequest, values: TemplateValues) {
  if (form !== undefined) return formBody(filledParameters(form, values));
  if (json !== undefined) {
    const headers = { "content-type": "application/json" };
    return { headers, body: JSON.stringify(fillJson(json, values)) };
  }
  if (text !== undefined) {
    return { headers: { "content-type": "text/plain;charset=utf-8" }, body: render(text, values) };
  }
  return undefined;
}

/** Returns the members whose templates have all their values. */
function kept<T>(members: Readonly<Record<string, T>>, values: TemplateValues): [string, T][] {
  return Object.entries(members).filter(([, value]) => !lacks(value, values));
}

function lacks(value: unknown, values: TemplateValues): boolean {
  return typeof value === "string" && missing(value, values) !== undefined;
}

/** Fills in strings at any depth; member names stay as they are. */
export function fillJson(value: Json, values: TemplateValues): Json {
  if (typeof value === "string") return render(value, values);
  if (Array.isArray(value)) {
    return value.filter((item) => !lacks(item, values)).map((item) => fillJson(item, values));
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    kept(value, values).map(([name, member]) => [name, fillJson(member, values)]),
  );
}
