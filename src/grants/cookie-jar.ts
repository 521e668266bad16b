/** Keeps the cookies of one sequence of requests, as browsers do (RFC 6265). */

/** The cookies that one sequence has got. */
export interface CookieJar {
  /** Returns the value of the Cookie header for `url`; undefined if no cookie belongs there. */
  header(url: string): string | undefined;
  /** Takes in the `set-cookie` headers of an answer from `url`; what is no cookie is left out. */
  store(url: string, setCookies: readonly string[]): void;
}

/** Creates an empty jar. The library is loaded with the first sequence that needs it. */
export async function createCookieJar(): Promise<CookieJar> {
  const { CookieJar } = await import("tough-cookie");
  const jar = new CookieJar(undefined, { looseMode: true });
  return {
    header: (url) => jar.getCookieStringSync(url) || undefined,
    store: (url, setCookies) => {
      for (const cookie of setCookies) jar.setCookieSync(cookie, url, { ignoreError: true });
    },
  };
}
