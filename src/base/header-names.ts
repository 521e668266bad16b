/** Checks names of HTTP headers: well-formed ones, those of the connection, and those that servers confuse. */

/** A token as RFC 9110 section 5.6.2 defines it. */
export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Headers that describe the connection, not the request (RFC 9110 section 7.6.1), and the transport's own. */
const CONNECTION: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export function isHeaderName(name: string): boolean {
  return HEADER_NAME.test(name);
}

/** True for a header that nobody but the transport may set. */
export function isConnectionHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return CONNECTION.has(lower) || lower.startsWith("proxy-");
}

/**
 * Returns a name as a CGI program sees it (RFC 3875 section 4.1.18; some servers do this to every sign that
 * is neither letter nor digit): `X_API_KEY`, `x.api.key` and `X-Api-Key` are one variable there.
 */
export function foldedHeader(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "-");
}
