/** Reads a redirect URI (RFC 8252 section 7): on loopback, a listener of our own can take the callback. */

const DEFAULT = "http://127.0.0.1/callback";

/** Addresses to listen on, by the host of a redirect URI. A browser may take either of `localhost`. */
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  "127.0.0.1": ["127.0.0.1"],
  "[::1]": ["::1"],
  localhost: ["127.0.0.1", "::1"],
};

export interface RedirectUri {
  /** As the file writes it: issuers compare it letter by letter (RFC 6749 section 3.1.2.3). */
  readonly text: string;
  readonly url: URL;
  /** The addresses to listen on; none: not on loopback, so only a pasted address can bring the answer. */
  readonly hosts: readonly string[];
  /** 0: any free one. */
  readonly port: number;
}

export function isRedirectUri(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hash, username, password } = new URL(text);
  return !/^(javascript|data|file|blob):$/.test(protocol) && !(hash || username || password);
}

export function readRedirectUri(text = DEFAULT): RedirectUri {
  const url = new URL(text);
  const hosts = (url.protocol === "http:" && HOSTS[url.hostname]) || [];
  return { text, url, hosts, port: Number(url.port) };
}

/** Returns the redirect URI as it is sent: with the port that the listener got. */
export function withPort({ text, url }: RedirectUri, port: number): string {
  if (url.port !== "") return text;
  return text.replace(/^(http:\/\/[^/?:[]+|http:\/\/\[[^\]]*\])(?=[/?]|$)/i, `$1:${port}`);
}

/** True if a browser that was redirected ended at this address. */
export function isAtRedirectUri(redirectUri: string, address: URL): boolean {
  const expected = new URL(redirectUri);
  const isSamePlace =
    address.protocol === expected.protocol &&
    address.host === expected.host &&
    address.pathname === expected.pathname;
  // A registered redirect URI may have parameters of its own.
  const own = Array.from(expected.searchParams);
  return isSamePlace && own.every(([name, value]) => address.searchParams.get(name) === value);
}
