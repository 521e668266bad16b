/**
 * A place says where in a response a value is: a JSON pointer (`/data/token`, or the bare name of a member),
 * `text` (the whole body), `header:NAME`, `cookie:NAME`, or `form:NAME` (a field of a page's form).
 */
import { HEADER_NAME } from "../base/header-names.ts";
import * as z from "../base/zod.ts";
import { formField } from "./form-field.ts";
import type { IssuerResponse } from "./grant.ts";
import { isJsonPointer, parseJson, resolvePointer } from "./json.ts";
import { readMembers } from "./oauth-problem.ts";

const BARE_NAME = /^[A-Za-z_$][\w$-]*$/;

const PLACES =
  "a JSON pointer such as /data/token, the name of a member, text, header:NAME, cookie:NAME or form:NAME";

/** A response whose places are read. */
export interface Answer extends Pick<IssuerResponse, "headers" | "text" | "setCookies"> {
  /** The JSON or form in the body; undefined: it is neither. */
  readonly document: unknown;
}

/** Returns the response with its body parsed, so that several places are read of it. */
export function readAnswer(response: IssuerResponse): Answer {
  const { headers, text, setCookies = [] } = response;
  return { headers, text, setCookies, document: parseJson(text) ?? readMembers(text) };
}

/** Parses a place of a credential file; the bare name of a member becomes a JSON pointer. */
export const placeSchema = z
  .pipe(
    z.nonEmpty,
    z.transform((place) => (BARE_NAME.test(place) && place !== "text" ? `/${place}` : place)),
  )
  .check(z.refine(isPlace, `must be ${PLACES}`));

/** True for a place as `placeSchema` returns it. */
function isPlace(text: string): boolean {
  if (text === "text") return true;
  if (/^form:[^\s"'<>]{1,128}$/i.test(text)) return true;
  const named = /^(header|cookie):(.+)$/i.exec(text);
  return named ? HEADER_NAME.test(named[2]!) : text.startsWith("/") && isJsonPointer(text);
}

/** Returns the value at `place`: any JSON value, or text; undefined if there is none. */
export function valueAt(place: string, answer: Answer): unknown {
  if (place === "text") return wholeText(answer);
  const [, kind, name = ""] = /^(header|cookie|form):(.+)$/i.exec(place) ?? [];
  if (kind?.toLowerCase() === "header") return headerAt(name, answer);
  if (kind?.toLowerCase() === "cookie") return cookieAt(name, answer);
  if (kind?.toLowerCase() === "form") return formField(answer.text, name);
  return resolvePointer(answer.document, place);
}

/** Returns the text or number at `place`, as `asText` does. */
export function textAt(place: string, answer: Answer): string | undefined {
  return asText(valueAt(place, answer));
}

/** Returns a text or number as text, without white space around it; undefined if it is neither, or empty. */
export function asText(value: unknown): string | undefined {
  const text = typeof value === "number" ? String(value) : value;
  return typeof text === "string" && text.trim() !== "" ? text.trim() : undefined;
}

/** Returns the body. One that is a JSON string is that string: ASP.NET quotes text when asked for JSON. */
function wholeText({ document, text }: Answer): string {
  return typeof document === "string" && text.trim().startsWith('"') ? document : text;
}

function headerAt(name: string, { headers }: Answer): string | undefined {
  const lower = name.toLowerCase();
  return Object.hasOwn(headers, lower) ? headers[lower] : undefined;
}

/** Returns the attributes of the cookie at `place`, names in lower case; none for any other place. */
export function cookieAttributes(place: string, answer: Answer): ReadonlyMap<string, string> {
  const [, name] = /^cookie:(.+)$/i.exec(place) ?? [];
  const [, ...attributes] = (name && cookieLine(name, answer)?.split(";")) || [];
  return new Map(
    attributes.map((attribute) => {
      const [key = "", ...value] = attribute.split("=");
      return [key.trim().toLowerCase(), value.join("=").trim()];
    }),
  );
}

/** Returns the `Set-Cookie` of a name; the last of one name counts (RFC 6265 section 5.3). */
function cookieLine(name: string, { setCookies = [] }: Answer): string | undefined {
  return setCookies.findLast((each) => each.trimStart().startsWith(`${name}=`));
}

/** Returns the cookie's value; an expired one has none. */
function cookieAt(name: string, answer: Answer): string | undefined {
  const line = cookieLine(name, answer);
  if (line === undefined || /;\s*max-age\s*=\s*(0|-\d+)\s*(;|$)/i.test(line)) return undefined;
  const [pair = ""] = line.split(";");
  return pair.slice(pair.indexOf("=") + 1).trim();
}
