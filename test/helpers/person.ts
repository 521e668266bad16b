/** A person at a browser without a screen: follows redirects, fills in forms, keeps cookies. */

export interface Shown {
  /** The address of the last page. */
  url: string;
  status: number;
  headers: Headers;
  body: string;
}

export interface Person {
  name: string;
  /** Refuses to sign in. */
  refuses?: boolean;
}

const MAX_STEPS = 20;

/** Opens an address, signs in where a form asks for it, and returns the page at which the browser ends. */
export async function signInAt(address: string, person: Person, stopAt?: string): Promise<Shown> {
  const cookies = new Map<string, string>();
  let next: { url: string; form?: URLSearchParams } = { url: address };
  for (let step = 0; step < MAX_STEPS; step++) {
    if (stopAt !== undefined && next.url.startsWith(stopAt)) {
      return { url: next.url, status: 0, headers: new Headers(), body: "" };
    }
    const response = await fetch(next.url, {
      method: next.form ? "POST" : "GET",
      redirect: "manual",
      headers: { cookie: Array.from(cookies, (pair) => pair.join("=")).join("; ") },
      ...(next.form && { body: next.form }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    if (location !== null) {
      next = { url: new URL(location, next.url).href };
      continue;
    }
    const body = await response.text();
    const { status, headers } = response;
    const filled = fillIn(body, next.url, person);
    if (!filled) return { url: next.url, status, headers, body };
    next = filled;
  }
  throw new Error("the sign-in goes round in circles");
}

/** Returns the form of a page as the person sends it; undefined if there is none to send. */
function fillIn(page: string, url: string, { name, refuses }: Person) {
  const action = /<form[^>]*action="([^"]*)"/.exec(page)?.[1];
  const abort = /href="([^"]*\/abort)"/.exec(page)?.[1];
  if (refuses && abort !== undefined) return { url: new URL(abort, url).href };
  if (action === undefined) return undefined;
  const form = new URLSearchParams();
  for (const [input] of page.matchAll(/<input[^>]*>/g)) {
    const key = /name="([^"]*)"/.exec(input)?.[1];
    const value = /value="([^"]*)"/.exec(input)?.[1] ?? "";
    if (key !== undefined) form.set(key, value);
  }
  if (form.has("login")) form.set("login", name);
  if (form.has("password")) form.set("password", "any");
  if (refuses && page.includes('name="abort"')) form.set("abort", "yes");
  return { url: new URL(action.replaceAll("&amp;", "&"), url).href, form };
}
