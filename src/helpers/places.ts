/** Places that tools ask credentials for, written `[user@]host[:port][/path]`, or with a scheme in front. */
import { isLoopback } from "../base/loopback.ts";
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

/** Parses what a person or a tool wrote. Throws AuthdError `invalid_params`. */
export function parsePlace(text: string): Place {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(withScheme) ? new URL(userEncoded(withScheme)) : undefined;
  if (url?.hostname && (url.protocol === "https:" || url.protocol === "http:")) return placeOf(url);
  throw new AuthdError("invalid_params", `"${text}" is no host: write it like github.com/acme`);
}

/** Encodes the user in front of the host, which may be `<token>`. */
function userEncoded(url: string): string {
  return url.replace(/^([^/]*:\/\/)([^/@]*)@/, (_, scheme: string, user: string) => {
    return `${scheme}${encodeURIComponent(decoded(user))}@`;
  });
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
