/** Adds parameters to queries and forms and takes them out, without another look at the bytes of all others. */
import { percentEncode } from "../base/template-functions.ts";

type Parameters = Readonly<Record<string, string>>;

/** Returns parameters as a query or a form has them. */
export function encodeParameters(parameters: Parameters): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .join("&");
}

/** Returns a URL with further parameters at the end of its query. */
export function withParameters({ href, search }: URL, parameters: Parameters): string {
  const start = search === "" ? (href.endsWith("?") ? "" : "?") : "&";
  return `${href}${start}${encodeParameters(parameters)}`;
}

/** Returns a query, without its `?`, or a form without the parameters of these names, however they are encoded. */
export function withoutParameters(text: string, names: ReadonlySet<string>): string {
  return text
    .split("&")
    .filter((pair) => !names.has(decode(pair.split("=", 1)[0]!)))
    .join("&");
}

/** Drops parameters of these names from the URL. */
export function dropParameters(url: URL, names: Iterable<string>): void {
  if (url.search !== "") url.search = withoutParameters(url.search.slice(1), new Set(names));
}

/** Returns a text of URLs, such as a Location or Link, without these parameters where they have these values. */
export function concealParameters(text: string, parameters: Parameters): string {
  return text
    .replace(/([?&])([^?&#\s<>",;]*)/g, (whole, sign: string, pair: string) =>
      isOurs(pair, parameters) ? (sign === "?" ? "?" : "") : whole,
    )
    .replace(/\?&/g, "?")
    .replace(/\?(?=$|[#>\s",;])/g, "");
}

function isOurs(pair: string, parameters: Parameters): boolean {
  const end = pair.indexOf("=");
  const name = decode(end < 0 ? pair : pair.slice(0, end));
  if (end < 0 || !Object.hasOwn(parameters, name)) return false;
  // A server may write a plus as it is.
  const value = pair.slice(end + 1);
  return [decode(value), decode(value.replaceAll("+", "%2B"))].includes(parameters[name]!);
}

/** Decodes as a form does; text that is not encoded rightly stays as it is. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
