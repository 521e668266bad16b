/** The ways in which an issuer fails, and when. Times and durations are milliseconds of true time. */
import type { Random } from "./random.ts";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** What becomes of a request. `processed`: how likely the issuer did what was asked, heard or not. */
export interface Fault {
  /** Until the caller knows. */
  after: number;
  processed: number;
  /** No answer at all, or half of one. */
  breaks?: { code: string; sent: boolean; half?: boolean };
  answers?: { status: number; type?: string; text?: string; retryAfter?: "seconds" | "date" };
  /** Sent, and no complete answer that can be understood: the refresh token may be spent. */
  lost: boolean;
  /** A firewall: every try counts. */
  blocked?: boolean;
  /** The answer comes, up to `after` later. */
  late?: boolean;
  /** Another try will hardly change it: a wrong address, or a page. */
  lasting?: boolean;
}

const page = { type: "text/html", text: "<!doctype html><p>Sorry</p>" };
const unsent = (code: string, after: number): Fault => ({
  ...{ after, processed: 0, lost: false },
  breaks: { code, sent: false },
});

export const FAULTS = {
  refused: unsent("ECONNREFUSED", 3),
  unresolvable: unsent("ENOTFOUND", 40),
  blackholed: unsent("UND_ERR_CONNECT_TIMEOUT", 5 * SECOND),
  tls: unsent("CERT_HAS_EXPIRED", 90),
  silent: { after: Number.POSITIVE_INFINITY, processed: 0.5, lost: true },
  slow: { after: 118 * SECOND, processed: 1, lost: false, late: true },
  reset: {
    ...{ after: 150, processed: 0.5, lost: true },
    breaks: { code: "ECONNRESET", sent: true },
  },
  half: {
    ...{ after: 200, processed: 1, lost: true },
    breaks: { code: "UND_ERR_SOCKET", sent: true, half: true },
  },
  error: { after: 100, processed: 0, lost: false, answers: { status: 500, ...page } },
  gateway: { after: 100, processed: 0.5, lost: true, answers: { status: 502, ...page } },
  gatewayTimeout: { after: 5 * SECOND, processed: 0.5, lost: true, answers: { status: 504 } },
  overloaded: {
    ...{ after: 50, processed: 0, lost: false },
    answers: { status: 503, retryAfter: "seconds" },
  },
  maintenance: {
    ...{ after: 50, processed: 0, lost: false },
    answers: { status: 503, ...page, retryAfter: "date" },
  },
  rateLimit: {
    ...{ after: 50, processed: 0, lost: false },
    answers: { status: 429, retryAfter: "seconds" },
  },
  firewall: {
    ...{ after: 60, processed: 0, lost: false, blocked: true },
    answers: { status: 403, ...page },
  },
  portal: { after: 60, processed: 0, lost: true, lasting: true, answers: { status: 200, ...page } },
  redirect: { after: 60, processed: 0, lost: false, lasting: true, answers: { status: 302 } },
  missing: { after: 60, processed: 0, lost: false, lasting: true, answers: { status: 404 } },
} satisfies Record<string, Fault>;

/** The daemon gave the request up: whatever the issuer did, nobody hears of it. */
export const GIVEN_UP: Fault = {
  ...{ after: 0, processed: 0, lost: true },
  breaks: { code: "ABORT_ERR", sent: true },
};

export type FaultName = keyof typeof FAULTS;
const faultNames = Object.keys(FAULTS) as FaultName[];

export interface Outage {
  from: number;
  until: number;
  fault: FaultName;
}

/** One outage after the other, of all kinds and of seconds to hours, `apart` from each other on average. */
export function outages(random: Random, end: number, apart: number): Outage[] {
  const list: Outage[] = [];
  for (let from = random.wait(apart); from < end; from += random.wait(apart)) {
    const longest = random.pick([MINUTE, 20 * MINUTE, 2 * HOUR, 10 * HOUR]);
    const until = from + random.between(0.1, 1) * longest;
    list.push({ from, until, fault: random.pick(faultNames) });
    from = until;
  }
  return list;
}
