/** Reads a redirect URI (RFC 8252 section 7): on loopback, a listener of our own can take the callback. */

const DEFAULT = "http://127.0.0.1/callback";

/** Addresses to listen on, by the host of a redirect URI. */
const HOSTS: Readonly<Record<string, string>> = {
  "127.0.0.1": "127.0.0.1",
  "[::1]": "::1",
  localhost: "localhost",
};

export interface RedirectUri {
  readonly url: URL;
  /** The address to listen on; undefined: not on loopback, so only a pasted address can bring the answer. */
  readonly host: string | undefined;
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
  const host = url.protocol === "http:" ? HOSTS[url.hostname] : undefined;
  return { url, host, port: Number(url.port) };
}

/** Returns the redirect URI as it is sent: with the port that the listener got. */
export function withPort({ url }: RedirectUri, port: number): string {
  const text = url.href;
  if (url.port !== "") return text;
  return text.replace(url.host, `${url.host}:${port}`);
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
