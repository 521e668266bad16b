import { AuthdError } from "../errors.ts";

/** Characters; every server refuses longer ones. */
const MAX_URL_LENGTH = 65_536;

/**
 * Returns the URL, without its fragment, if `credential` may send its token there: http or https, and its
 * origin is in the list. Origins are compared as `new URL(x).origin` spells them, so that another port, an
 * IPv6 form of the same machine or a name that only looks alike is another origin. Throws AuthdError
 * `origin_not_allowed`, or `invalid_params` for a URL that can't be sent at all; neither shows more of the
 * URL than its origin.
 */
export function allowedUrl(
  text: string,
  credential: { readonly name: string; readonly origins: readonly string[] },
): URL {
  const url = parse(text, credential.name);
  const isHttp = url.protocol === "https:" || url.protocol === "http:";
  // The scheme is checked too: the origin of blob:https://host/… is https://host.
  if (!isHttp || !credential.origins.includes(url.origin)) {
    throw notAllowed(isHttp ? url.origin : undefined, url.protocol, credential);
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid(
      credential.name,
      `the URL has a user name or password in it, before ${url.host}: leave them out, authd adds what this API wants`,
    );
  }
  if (text.includes("#")) url.hash = "";
  return url;
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

function notAllowed(
  origin: string | undefined,
  protocol: string,
  { name, origins }: { readonly name: string; readonly origins: readonly string[] },
): AuthdError {
  if (origin === undefined) {
    const message = `${name}: its token goes to https: and http: addresses only, not to ${protocol}`;
    return new AuthdError("origin_not_allowed", message, { credential: name });
  }
  const listed = origins.length > 0 ? `, only to ${origins.join(", ")}` : ": it lists no origins";
  const all = [...origins, origin].join(",");
  return new AuthdError(
    "origin_not_allowed",
    `${name}: its token may not go to ${origin}${listed}. To allow it: authd set ${name} --set origins=${all}`,
    { credential: name },
  );
}
