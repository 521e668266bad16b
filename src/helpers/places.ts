/** Places that tools ask credentials for, written `[user@]host[:port][/path]`, or with a scheme in front. */
import { isLoopback } from "../base/loopback.ts";
import { stripControlChars } from "../base/terminal-safe.ts";
import { AuthdError } from "../errors.ts";

export interface Place {
  /** With "://" it is `https` unless `http` is written: that is for loopback only. */
  protocol: "https" | "http";
  /** In lower case, with the port unless it is the protocol's own. */
  host: string;
  /** Without slashes at its ends; empty: the whole host. */
  path: string;
  user?: string;
}

/** A scheme, a user, a host with its port, and the rest, in which no two programs read different hosts. */
const PLACE = /^([a-z][a-z0-9+.-]*:\/\/)(?:([^/?#\\@]*)@)?([^/?#\\@%\s]+)([/?#].*)?$/i;

/** Parses what a person or a tool wrote. Throws AuthdError `invalid_params`. */
export function parsePlace(text: string): Place {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const [, scheme, user, host, rest = ""] = PLACE.exec(withScheme) ?? [];
  // The user may be `<token>`.
  const before = user === undefined ? "" : `${encodeURIComponent(decoded(user))}@`;
  const written = `${scheme}${before}${host}${rest}`;
  const url = host !== undefined && URL.canParse(written) ? new URL(written) : undefined;
  if (url?.hostname && (url.protocol === "https:" || url.protocol === "http:")) return placeOf(url);
  throw notAHost(text);
}

/** Returns the place of a host and a path that a tool names apart. Throws AuthdError `invalid_params`. */
export function placeAt(protocol: "https" | "http", host: string, path: string): Place {
  const place = parsePlace(
    `${protocol}://${host}/${path.replace(/[%?#\\\s]/g, encodeURIComponent)}`,
  );
  if (/[/?#\\@]/.test(host)) throw notAHost(host);
  return place;
}

function notAHost(text: string): AuthdError {
  const message = `"${stripControlChars(text)}" is no host: write it like github.com/acme`;
  return new AuthdError("invalid_params", message);
}

function placeOf({ protocol, host, pathname, username }: URL): Place {
  return {
    protocol: protocol === "http:" ? "http" : "https",
    host,
    path: decoded(pathname).replace(/^\/+|\/+$/g, ""),
    ...(username ? { user: decoded(username) } : {}),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns the origin, as credentials list theirs. */
export function originOf({ protocol, host }: Place): string {
  return `${protocol}://${host}`;
}

const withoutPort = (host: string) => host.replace(/:\d+$/, "");

/** True unless a token that goes there could be read on the way. */
export function isPrivate({ protocol, host }: Place): boolean {
  return protocol === "https" || isLoopback(withoutPort(host));
}

/** Returns the entry that fits `asked` best: with the longest path, then one that names the user. */
export function bestFor<Entry extends { place: Place }>(
  entries: readonly Entry[],
  asked: Place,
): Entry | undefined {
  const weight = ({ place }: Entry) => place.path.length * 2 + (place.user === undefined ? 0 : 1);
  return entries
    .filter(({ place }) => covers(place, asked))
    .sort((one, other) => weight(other) - weight(one))[0];
}

/** True if `asked` is at or below `place`. A loopback host may be asked for without TLS. */
function covers(place: Place, asked: Place): boolean {
  const isScheme = place.protocol === asked.protocol || isLoopback(withoutPort(asked.host));
  const isUser = place.user === undefined || asked.user === undefined || place.user === asked.user;
  const isPath =
    place.path === "" || asked.path === place.path || asked.path.startsWith(`${place.path}/`);
  return isScheme && place.host === asked.host && isUser && isPath;
}
