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

interface Step {
  url: string;
  form?: URLSearchParams;
}

/**
 * Opens an address, signs in where a form asks for it, and returns the page at which the browser ends.
 * `within`: it goes nowhere beyond this origin.
 */
export async function signInAt(address: string, person: Person, within?: string): Promise<Shown> {
  const cookies = new Map<string, string>();
  let next: Step = { url: address };
  for (let step = 0; step < MAX_STEPS; step++) {
    if (within !== undefined && new URL(next.url).origin !== within) {
      return { url: next.url, status: 0, headers: new Headers(), body: "" };
    }
    const response = await load(next, cookies);
    const location = response.headers.get("location");
    if (location !== null) {
      next = { url: new URL(location, next.url).href };
      continue;
    }
    const body = await response.text();
    // A refusal may be followed by the form for another code.
    const filled = next.form?.has("abort") ? undefined : fillIn(body, next.url, person);
    const { status, headers } = response;
    if (!filled) return { url: next.url, status, headers, body };
    next = filled;
  }
  throw new Error("the sign-in goes round in circles");
}

async function load({ url, form }: Step, cookies: Map<string, string>): Promise<Response> {
  const response = await fetch(url, {
    method: form ? "POST" : "GET",
    redirect: "manual",
    headers: { cookie: Array.from(cookies, (pair) => pair.join("=")).join("; ") },
    ...(form && { body: form }),
  });
  for (const cookie of response.headers.getSetCookie()) {
    const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
    cookies.set(name, value);
  }
  return response;
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
