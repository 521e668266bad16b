/** Notices that an issuer refused a signature because the clocks are apart. */
import type { IssuerResponse } from "./grant.ts";
import { readMembers } from "./oauth-problem.ts";

/** Clocks that are this far apart are why issuers refuse a signature. */
const APART_MS = 10_000;

/** Answers to a poll (RFC 8628 section 3.5) whose signature was accepted. */
const POLL_ANSWERS = new Set<unknown>(["authorization_pending", "slow_down"]);

/** Returns the issuer's time if it refused a request whose signature has another time in it. */
export function timeOfRefusal({ status, sentAt, text }: IssuerResponse, now: number) {
  const isRefused = status === 400 || status === 401;
  if (!isRefused || sentAt === undefined) return undefined;
  if (Math.abs(sentAt.assumed - now) <= APART_MS) return undefined;
  return POLL_ANSWERS.has(readMembers(text)?.error) ? undefined : sentAt.assumed;
}
