import { shellWord } from "../base/shell-word.ts";
import { mayBeKept, originEntries } from "../config/kept-origins.ts";
import type { KeptOrigins } from "../config/settings.ts";
import { AuthdError } from "../errors.ts";

/** Characters; every server refuses longer ones. */
const MAX_URL_LENGTH = 65_536;

/** The part of a credential that says where its token may go. */
export interface Reach {
  readonly name: string;
  /** Spelled as `new URL(x).origin`. */
  readonly origins: readonly string[];
  /** Present until a token is there, whose answer names further origins. */
  readonly keptOrigins?: KeptOrigins;
}

/** Where one token may go. */
export interface TokenReach {
  readonly name: string;
  readonly origins: readonly string[];
  /** Where the origins come from that a kept value names; absent: there are none. */
  readonly source?: KeptOrigins;
}

/** Returns where this token of a credential may go: its answer has named the origins that it brings. */
export function reachOf(
  { name, origins, keptOrigins }: Reach,
  token: { readonly keptOrigins?: readonly string[] },
): TokenReach {
  if (!keptOrigins) return { name, origins };
  return { name, origins: [...origins, ...(token.keptOrigins ?? [])], source: keptOrigins };
}

/**
 * Returns the URL, without its fragment, if `credential` may send its token there: http or https, and its
 * origin is in the list. Origins are compared as `new URL(x).origin` spells them, so that another port, an
 * IPv6 form of the same machine or a name that only looks alike is another origin. An origin that a kept value
 * may name passes: `assertReachable` decides once there is a token. Throws AuthdError
 * `origin_not_allowed`, or `invalid_params` for a URL that can't be sent at all; neither shows more of the
 * URL than its origin.
 */
export function allowedUrl(text: string, credential: Reach): URL {
  const { name, origins, keptOrigins } = credential;
  const url = parse(text, name);
  const isHttp = url.protocol === "https:" || url.protocol === "http:";
  // The scheme is checked too: the origin of blob:https://host/… is https://host.
  if (!isHttp) throw otherScheme(name, url.protocol);
  if (!origins.includes(url.origin) && !(keptOrigins && mayBeKept(url.origin, keptOrigins))) {
    throw notAllowed(url.origin, reachOf(credential, {}));
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid(
      name,
      `the URL has a user name or password in it, before ${url.host}: leave them out, authd adds what this API wants`,
    );
  }
  if (text.includes("#")) url.hash = "";
  return url;
}

/** Throws AuthdError `origin_not_allowed` if this token may not go to `url`. */
export function assertReachable({ origin }: URL, reach: TokenReach): void {
  if (!reach.origins.includes(origin)) throw notAllowed(origin, reach);
}

function parse(text: string, name: string): URL {
  if (text.length > MAX_URL_LENGTH) {
    throw invalid(name, `the URL has ${text.length} characters; the most is ${MAX_URL_LENGTH}`);
  }
  // URL parsers differ in how they treat these, which lets URLs bypass filters.
  if (/[\0-\x1f\x7f]/.test(text)) throw invalid(name, "the URL has a control character in it");
  if (/^[^?#]*\\/.test(text)) {
    throw invalid(name, "the URL has a backslash in it: write / or, if it is meant, %5C");
  }
  try {
    return new URL(text);
  } catch {
    throw invalid(name, "url must be complete, such as https://api.example.com/path");
  }
}

function invalid(name: string, what: string): AuthdError {
  return new AuthdError("invalid_params", `${name}: ${what}`, { credential: name });
}

function otherScheme(name: string, protocol: string): AuthdError {
  const message = `${name}: its token goes to https: and http: addresses only, not to ${protocol}`;
  return new AuthdError("origin_not_allowed", message, { credential: name });
}

function notAllowed(origin: string, { name, origins, source }: TokenReach): AuthdError {
  const listed = origins.length > 0 ? `, only to ${origins.join(", ")}` : ": it lists no origins";
  const entries = source ? originEntries(source) : [];
  const kept = source
    ? `; an issuer's answer may name others ({kept.${source.from.join("}, {kept.")}}), but only within ${source.within.join(", ")}`
    : "";
  const all = shellWord(`origins=${[...origins, ...entries, origin].join(",")}`);
  return new AuthdError(
    "origin_not_allowed",
    `${name}: its token may not go to ${origin}${listed}${kept}. To allow it: authd set ${name} --set ${all}`,
    { credential: name },
  );
}
