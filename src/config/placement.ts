/** Reads where the token goes beside headers: into the query, a cookie, or the body of a request. */
import { omitUndefined } from "../base/omit-undefined.ts";
import { referenced } from "../base/template.ts";
import { AuthdError } from "../errors.ts";
import type { Table } from "./json-table.ts";
import type { Common } from "./schema.ts";
import type { Placement } from "./settings.ts";

/** Returns the tables of `query`, `cookie` and `body`; undefined if there are none. Throws AuthdError `invalid_params`. */
export function placementOf({ query, cookie, body, headers = {} }: Common): Placement | undefined {
  const placement = omitUndefined({
    query: query && withoutEmpty(query),
    cookie: cookie && withoutEmpty(cookie),
    body: body && withoutEmpty(body),
  });
  if (placement.cookie && Object.keys(headers).some((name) => name.toLowerCase() === "cookie")) {
    throw new AuthdError(
      "invalid_params",
      "headers.cookie and cookie are both given: write all cookies into cookie = { NAME = … }.",
    );
  }
  return Object.keys(placement).length > 0 ? placement : undefined;
}

/** Methods of requests that have no body. */
const WITHOUT_BODY = ["GET", "HEAD", "OPTIONS"];

/** Throws AuthdError `invalid_params` for settings with a `body` that permit, or name, only requests without one. */
export function checkBodyIsSent({ verify, methods, allow = [] }: Common): void {
  if (verify && WITHOUT_BODY.includes(verify.method ?? "GET")) {
    throw neverSent("verify.method", 'set verify.method to "POST", or leave verify out');
  }
  for (const [key, listed] of [
    ["methods", methods] as const,
    ...allow.map((rule, index) => [`allow[${index + 1}].methods`, rule.methods] as const),
  ]) {
    if (!listed?.length || !listed.every((each) => WITHOUT_BODY.includes(each.toUpperCase())))
      continue;
    throw neverSent(key, `add POST to ${key}, or leave body out`);
  }
}

function neverSent(key: string, remedy: string): AuthdError {
  const what = `body has no effect where ${key} means requests without one (${WITHOUT_BODY.join(", ")})`;
  return new AuthdError("invalid_params", `${what}: ${remedy}.`);
}

/** Returns the members but for those set to "", with which a file drops one of its preset's. */
function withoutEmpty(table: Readonly<Record<string, string>>) {
  const kept = Object.entries(table).filter(([, template]) => template !== "");
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** True if these settings say where the token goes, so that it needs no header by default. */
export function placesToken({ query, cookie, body }: Table): boolean {
  return referenced(JSON.stringify([query, cookie, body]), ["token"]).length > 0;
}
