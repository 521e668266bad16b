import { isConnectionHeader, isHeaderName } from "../base/header-names.ts";
import { AuthdError } from "../errors.ts";

/** The headers of a credential without any of its own. */
export const DEFAULT_HEADERS = Object.freeze({ authorization: "Bearer {token}" });
/** The headers of one whose tokens are bound to a key (RFC 9449 section 7.1). */
export const BOUND_HEADERS = Object.freeze({ authorization: "DPoP {token}" });

/**
 * Returns headers with names in lower case and checked values. A header set to "" is left out, so that a
 * file can drop one that its preset sends. Throws AuthdError `invalid_params` that names the header, not the value.
 */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const checked: Record<string, string> = {};
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase();
    const why = whyNotAHeader(name, value) ?? (name in checked ? "is given twice" : undefined);
    if (why !== undefined) {
      throw new AuthdError("invalid_params", `headers.${JSON.stringify(name)} ${why}.`);
    }
    if (value !== "") checked[name] = value;
  }
  return checked;
}

function whyNotAHeader(name: string, value: string): string | undefined {
  if (!isHeaderName(name) || name === "__proto__") return "is not a header name";
  if (isConnectionHeader(name)) return "describes the connection, so it can't be set";
  if (/[\r\n\0]/.test(value)) return "must not hold line breaks or NUL";
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    return "holds a character that no HTTP header can carry";
  }
  return undefined;
}
