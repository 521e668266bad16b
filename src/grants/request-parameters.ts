/** Writes the parameters of a request as a form, as JSON or into the query. */

import { HEADER_NAME, isConnectionHeader } from "../base/header-names.ts";
import { headerValue, missing, render, type TemplateValues } from "../base/template.ts";
import * as z from "../base/zod.ts";
import type { IssuerRequest } from "./grant.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** Parameters by name; a list repeats its name. */
export const parametersSchema = z.record(z.string(), z.union([scalar, z.array(scalar)]));

type Scalar = z.output<typeof scalar>;
export type Parameters = Readonly<Record<string, Scalar | readonly Scalar[]>>;

/** Headers of a request to an issuer; their values are templates. */
export const headersSchema = z.record(
  z.string().check(
    z.regex(HEADER_NAME, "is not a header name"),
    z.refine((name) => !isConnectionHeader(name), "is a header that authd writes itself"),
  ),
  z.string().check(z.regex(/^[\t\x20-\x7e\x80-\xff]*$/, "holds what no HTTP header can carry")),
);

/** Fills in headers, names in lower case. One that is set to "", or lacks a value, is left out. */
export function filledHeaders(
  headers: Readonly<Record<string, string>> = {},
  values: TemplateValues,
): Record<string, string> {
  const filled = Object.entries(headers).flatMap(([name, template]) => {
    if (template === "" || missing(template, values) !== undefined) return [];
    return [[name.toLowerCase(), render(template, values, headerValue)]];
  });
  return Object.fromEntries(filled);
}

/** Fills in the templates of parameters. A parameter, or an item of a list, that lacks a value is left out. */
export function filledParameters(
  parameters: Parameters = {},
  values: TemplateValues,
): Record<string, Scalar | Scalar[]> {
  const fill = (value: Scalar): Scalar[] => {
    if (typeof value !== "string") return [value];
    return missing(value, values) === undefined ? [render(value, values)] : [];
  };
  const filled = Object.entries(parameters).flatMap(([name, value]) => {
    if (Array.isArray(value)) return [[name, value.flatMap(fill)]];
    return fill(value as Scalar).map((one) => [name, one]);
  });
  return Object.fromEntries(filled);
}

interface Unwritten {
  method: string;
  format: "form" | "json";
  url: string;
  parameters: Parameters;
}

/** Returns the request with its parameters in the body, or in the query of a GET. */
export function writeParameters({ method, format, url, parameters }: Unwritten): IssuerRequest {
  if (method === "GET") {
    const target = new URL(url);
    for (const [name, value] of pairs(parameters)) target.searchParams.append(name, value);
    return { method, url: target.href, headers: {} };
  }
  if (format === "json") {
    const headers = { "content-type": "application/json" };
    return { method, url, headers, body: JSON.stringify(parameters) };
  }
  return { method, url, ...formBody(parameters) };
}

/** Returns a form, and the header that says so. */
export function formBody(parameters: Parameters) {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { headers, body: new URLSearchParams(pairs(parameters)).toString() };
}

function pairs(parameters: Parameters): [string, string][] {
  return Object.entries(parameters).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, String(one)]),
  );
}
