/** Says, by key of a credential file, whether a value is a template, and which names it may hold. */
import { CALLER_VALUES } from "../grants/exchange-request.ts";
import { GENERATED_NAMES } from "../grants/generated-values.ts";
import { policyKeys } from "./policy-schema.ts";
import { DECLARING } from "./secrets.ts";

/**
 * Kinds of templates. `text` and `url`: filled in when the file is read. `header`: filled in with each token.
 * `sent`: filled in with each token request. `sent_url`: the URL of such a request. `unchecked`: text in which
 * braces can be part of another language; declared fields are filled in.
 */
export type Place = "text" | "url" | "header" | "sent" | "sent_url" | "unchecked";

/** A place, and the places of the keys inside of it. */
export interface KeyPlace {
  place: Place;
  inside: (key: string) => KeyPlace;
}

const everywhere = (place: Place): KeyPlace => ({ place, inside: () => everywhere(place) });
const withUrl = (url: Place, other: Place): KeyPlace => ({
  place: other,
  inside: (key) => everywhere(key === "url" ? url : other),
});

/** A request to an issuer, or a table with a list of them. */
const requestPlace: KeyPlace = {
  place: "sent",
  inside: (key) => {
    if (key === "steps") return requestPlace;
    return everywhere(Object.hasOwn(REQUEST_PLACES, key) ? REQUEST_PLACES[key]! : "sent");
  },
};
const REQUEST_PLACES: Readonly<Record<string, Place>> = {
  url: "sent_url",
  take: "unchecked",
  response: "text",
};

const SUBJECT_PLACES: Readonly<Record<string, Place>> = {
  url: "url",
  headers: "sent",
  exec: "unchecked",
  // Of the STS' address the region stays.
  aws: "unchecked",
};

/** Keys that are neither `text` nor, as all that end in `_url`, `url`. */
const PLACES: Readonly<Record<string, KeyPlace>> = {
  origins: everywhere("url"),
  follow: everywhere("url"),
  issuer: everywhere("url"),
  headers: everywhere("header"),
  query: everywhere("header"),
  cookie: everywhere("header"),
  body: everywhere("header"),
  extra: everywhere("sent"),
  refresh_extra: everywhere("sent"),
  token_headers: everywhere("sent"),
  claims: everywhere("sent"),
  subject: {
    place: "unchecked",
    inside: (key) => everywhere(Object.hasOwn(SUBJECT_PLACES, key) ? SUBJECT_PLACES[key]! : "text"),
  },
  assertion: { place: "sent", inside: (key) => everywhere(key === "claims" ? "sent" : "text") },
  request: requestPlace,
  steps: requestPlace,
  renew: requestPlace,
  rotates: everywhere("unchecked"),
  verify: withUrl("url", "text"),
  ...Object.fromEntries(Object.keys(policyKeys).map((key) => [key, everywhere("unchecked")])),
};

/** Returns the place of a key at the top of a credential file. */
export function placeOf(key: string): KeyPlace {
  if (Object.hasOwn(PLACES, key)) return PLACES[key]!;
  return everywhere(key.endsWith("_url") ? "url" : "text");
}

/** Names that are known when a credential file is read. */
export interface DeclaredNames {
  fields: readonly string[];
  /** With their prefix: `secret.password`. */
  secrets: readonly string[];
  /** With their prefix: `kept.api`. */
  kept: readonly string[];
  /** Made or taken by an earlier part of a sequence of requests. */
  values?: readonly string[];
  /** Made for each token request of an exchange. */
  made?: readonly string[];
}

/**
 * Returns the names that a template may hold. `declares`: any secret may be named, which declares it
 * (config/secrets.ts).
 */
export function templateNames(
  key: string,
  place: Place,
  { fields, secrets, kept, values = [], made = [] }: DeclaredNames,
): { names: readonly string[]; declares: boolean } {
  if (place === "header") {
    return { names: ["token", ...fields, ...secrets, ...kept], declares: true };
  }
  if (key === "origins" || (key === "verify" && place === "url")) {
    return { names: [...fields, ...kept], declares: false };
  }
  if (place !== "sent" && place !== "sent_url") return { names: fields, declares: false };
  const own = key in { request: 0, steps: 0, renew: 0 } ? [...values, ...made] : values;
  const names = [...fields, ...own, ...secrets, ...CALLER_VALUES, ...GENERATED_NAMES];
  return { names, declares: DECLARING.includes(key) };
}
