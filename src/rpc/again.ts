import type { Method, ParamsOf } from "../protocol.ts";

/**
 * Tells whether a request may be sent once more if its connection ended without an answer: it may have been
 * carried out. `yes`: twice is as good as once. `method`: as the HTTP method says. `anew`: on a new
 * connection, from the first part on. `look`: look first what became of it. `no`: the end is the answer.
 */
export const AGAIN = {
  initialize: "yes",
  getToken: "yes",
  authorizedRequest: "method",
  "request/open": "method",
  "request/chunk": "anew",
  "credentials/add": "look",
  "credentials/discover": "yes",
  "credentials/set": "look",
  "credentials/trust": "look",
  "credentials/refresh": "look",
  "credentials/show": "yes",
  "credentials/introspect": "yes",
  "credentials/test": "look",
  "credentials/remove": "look",
  "credentials/logout": "look",
  "credentials/list": "yes",
  status: "yes",
  health: "yes",
  reload: "yes",
  events: "yes",
  "vault/export": "anew",
  "vault/upload": "anew",
  "vault/import": "look",
  "vault/rekey": "look",
  "vault/move": "look",
  "fleet/invite": "yes",
  "fleet/key": "look",
  "fleet/join": "look",
  "fleet/status": "yes",
  "fleet/drain": "yes",
  "fleet/remove": "look",
  subscribe: "yes",
  unsubscribe: "yes",
  "login/start": "yes",
  "login/finish": "look",
  "login/cancel": "look",
  "approvals/pending": "yes",
  "approvals/answer": "look",
  "tokenFiles/add": "look",
  "tokenFiles/list": "yes",
  "tokenFiles/remove": "look",
  lock: "yes",
  unlock: "look",
  "audit/head": "yes",
  shutdown: "no",
} as const satisfies Record<Method, "yes" | "method" | "anew" | "look" | "no">;

/** RFC 9110 section 9.2.2, as far as they can be asked for. */
const IDEMPOTENT = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];

/** True if this request may be sent once more without a look at what became of the first. */
export function mayRepeat(method: Method, params: object): boolean {
  if (AGAIN[method] === "yes") return true;
  if (method !== "authorizedRequest") return false;
  const { method: verb = "GET", stream } = params as ParamsOf<"authorizedRequest">;
  return !stream && IDEMPOTENT.includes(verb.toUpperCase());
}
