/** Decides whether curl may have the token for these arguments, and what it is called with. */
import { AuthdError } from "../../errors.ts";
import type { GetTokenResult } from "../../protocol.ts";
import { plain } from "../style.ts";
import { type CurlOptions, type Found, findCurlOptions, invalid } from "./curl-options.ts";

/** Descriptor that curl reads the headers from. */
export const CONFIG_FD = 3;

/** Options that would send the token elsewhere, or write it down, and what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  config: "a file of options may name other URLs: give its options as arguments",
  next: "the request behind it would go without the token: run authd curl once for each",
  "location-trusted": "it sends the token to wherever a redirect leads",
  libcurl: "it writes the token into a file",
};

export interface CurlPlan {
  /** As given, with whole URLs. */
  args: string[];
  urls: readonly string[];
  method: string;
  followsRedirects: boolean;
  /** Names of headers that the person gives, in lower case. */
  headers: readonly string[];
}

/**
 * Reads the arguments. `whole` completes a path to a URL. Rejects with AuthdError `origin_not_allowed` for a
 * URL elsewhere, `invalid_params` for options with which curl would not keep the token to `origins`.
 */
export async function planCurl(
  given: readonly string[],
  options: CurlOptions,
  {
    credential,
    origins,
    whole,
    settings = [],
  }: {
    credential: string;
    origins: readonly string[];
    whole: (url: string) => Promise<string>;
    /** Options of curl's own file. */
    settings?: readonly Found[];
  },
): Promise<CurlPlan> {
  const args = [...given];
  const found = findCurlOptions(args, options);
  for (const { name } of found) {
    const why = name.startsWith("expand-")
      ? "what it stands for is not known before"
      : REFUSED[name];
    if (why !== undefined) throw invalid(`--${name} can't be used: ${why}`);
  }
  const urls: string[] = [];
  for (const { name, value = "", at } of found) {
    if (name !== "url") continue;
    const url = await whole(value);
    assertOrigin(credential, origins, url);
    args[at] = args[at]!.slice(0, args[at]!.length - value.length) + url;
    urls.push(url);
  }
  if (urls.length === 0) throw invalid("a URL is missing: authd curl NAME [curl's options] URL");
  const all = [...settings, ...found];
  const names = new Set(all.map(({ name }) => name));
  const last = (wanted: string) => all.findLast(({ name }) => name === wanted)?.value;
  const headers = all.flatMap(({ name, value = "" }) =>
    name === "header" ? [value.split(/[:;]/, 1)[0]!.trim().toLowerCase()] : [],
  );
  // Those of the file are undone.
  const followsRedirects = found.some(({ name }) => FOLLOWING.includes(name));
  return { args, urls, headers, followsRedirects, method: last("request") ?? methodOf(names) };
}

/** `--follow` is there from 8.16 on. */
const FOLLOWING = ["location", "follow"];

const BODIES = ["data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "json"];

function methodOf(names: ReadonlySet<string>): string {
  if (names.has("head")) return "HEAD";
  if (names.has("upload-file")) return "PUT";
  const hasBody = [...BODIES, "form", "form-string"].some((name) => names.has(name));
  return hasBody && !names.has("get") ? "POST" : "GET";
}

/**
 * Throws AuthdError unless the URL begins with an allowed origin, spelled so plainly that curl and we can't
 * read two different hosts in it. Braces and brackets, which curl expands, may follow the origin only.
 */
function assertOrigin(credential: string, origins: readonly string[], url: string): void {
  const authority = /^https?:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?=[/?#]|$)/i;
  const [start] = authority.exec(url) ?? [];
  const origin = start !== undefined && URL.canParse(start) ? new URL(start).origin : undefined;
  if (origin !== undefined && origins.includes(origin)) return;
  const text =
    origin === undefined
      ? `${plain(url)} is not a plain http: or https: URL with a host`
      : `${origin} is none of its origins (${origins.join(", ") || "it has none"})`;
  throw new AuthdError("origin_not_allowed", `${credential}: ${text}`, { credential });
}

/** Returns the file of options that gives curl the headers. Throws AuthdError `invalid_params`. */
export function curlConfig(credential: string, plan: CurlPlan, token: GetTokenResult): string {
  const place = token.query ? "query" : token.body ? "body" : undefined;
  if (place) {
    const text = `its API wants the token in the ${place}: authd request ${credential} URL puts it there`;
    throw new AuthdError("invalid_params", `${credential}: ${text}`, { credential });
  }
  const names = Object.keys(token.headers);
  const twice = plan.headers.find((name) => name === "authorization" || names.includes(name));
  if (twice !== undefined) throw invalid(`the header ${plain(twice)} is ${credential}'s own`);
  const others = names.filter((name) => name !== "authorization");
  if (plan.followsRedirects && others.length > 0) {
    const text = `-L can't be used: curl would take ${others.join(", ")} along to other hosts. authd request ${credential} URL follows inside its origins`;
    throw invalid(text);
  }
  // A .curlrc may have asked for it.
  const lines = ["no-location-trusted", ...Object.entries(token.headers).map(headerLine)];
  return `${lines.join("\n")}\n`;
}

function headerLine([name, value]: [string, string]): string {
  return `header = "${`${name}: ${value}`.replace(/[\\"]/g, "\\$&")}"`;
}

/** Throws AuthdError `invalid_params` for several requests, of which each would need a proof of its own. */
export function assertOneRequest({ urls, followsRedirects }: CurlPlan, credential: string): void {
  const [url = "", ...others] = urls;
  if (others.length === 0 && !followsRedirects && !/[[\]{}]/.test(url)) return;
  const text = `${credential} signs each request (dpop): one URL, without braces, brackets and -L. authd request ${credential} URL can do more`;
  throw invalid(text);
}
