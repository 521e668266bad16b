/** An outage against its promises: what was measured, and the most that each may be. */

import { number } from "../helpers/amounts.ts";
import { median, percentile } from "../helpers/rounds.ts";
import type { Row } from "../helpers/row.ts";
import type { Fate, Outcome } from "./run.ts";
import { longestReturn, mostTries, PATIENCE } from "./schedule.ts";

const SECOND = 1_000;
const FLIGHTS_A_HOST = 4;
/** What a busy machine may add to a wait of that length; still far from a request's own time limit. */
const BUSY = 1.5;
/** Arrivals are noted by a process that is busy as well. */
const EARLY = 0.8;
/** What a packet that was dropped just before the issuer's return may cost, and a busy machine. */
const GRACE = 2 * SECOND;

export function rowsOf(outcome: Outcome): Row[] {
  return [
    ...answers(outcome),
    ...tries(outcome, true),
    ...tries(outcome, false),
    arrivals(outcome),
    ...comeback(outcome),
  ];
}

function answers({ callers }: Outcome): Row[] {
  const { wrongs, served, refused } = callers;
  const none = { unit: "", most: 0 };
  const ms = (share: number) => number(percentile(refused, share));
  return [
    {
      what: "callers who failed while a token was valid",
      measured: wrongs["failed although valid"],
      ...none,
      detail: `${served.length} were given a token`,
    },
    {
      what: "expired tokens handed out",
      measured: wrongs["expired token"],
      ...none,
      detail: "",
    },
    {
      what: "refusals without issuer_unavailable and retryAfterMs",
      measured: wrongs["wrong refusal"],
      ...none,
      detail: `of ${refused.length}`,
    },
    {
      what: "longest wait for a refusal",
      measured: Math.max(0, ...refused) / SECOND,
      unit: "s",
      most: (PATIENCE / SECOND) * BUSY,
      detail:
        refused.length === 0
          ? ""
          : `p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms; ` +
            `p50 is ${number(median(refused) / median(served))} times a token's`,
    },
  ];
}

function tries({ fates, startedAt, endedAt, ...issuer }: Outcome, asked: boolean): Row[] {
  const ours = fates.filter((fate) => fate.asked === asked);
  if (ours.length === 0) return [];
  const counts = ours.map(({ failures, arrivals }) => Math.max(failures, arrivals.length));
  const bound = mostTries(endedAt - startedAt, { asked, ...issuer });
  return [
    {
      what: asked ? "tries of one that is asked for" : "tries of one that nobody asks for",
      measured: Math.max(...counts),
      unit: "",
      most: bound,
      detail: `median ${median(counts)}, ${counts.reduce((sum, n) => sum + n, 0)} of all ${ours.length}`,
    },
  ];
}

function arrivals({ fates, retryAfter, connections }: Outcome): Row {
  const least = Math.max(SECOND, retryAfter) * EARLY;
  const pauses = fates.flatMap(({ arrivals: times }) =>
    times.slice(1).map((at, i) => at - times[i]!),
  );
  const total = fates.reduce((sum, fate) => sum + fate.arrivals.length, 0);
  const apart =
    pauses.length === 0 ? "" : `, at least ${number(Math.min(...pauses) / SECOND)} s apart`;
  return {
    what: "requests sooner than the back-off allows",
    measured: pauses.filter((pause) => pause < least).length,
    unit: "",
    most: 0,
    detail: `${total} arrived${apart}; ${connections} new connections`,
  };
}

function comeback(outcome: Outcome): Row[] {
  const { fates, endedAt, peak, eachSecond, renewalOfAll } = outcome;
  const returns = fates.map((fate) => (fate.returnedAt ?? Number.POSITIVE_INFINITY) - endedAt);
  const worst = Math.max(
    ...fates.map((fate, i) => returns[i]! / (allowed(fate, outcome) + renewalOfAll + GRACE)),
  );
  const seconds = (share: number) => number(percentile(returns, share) / SECOND);
  return [
    {
      what: "credentials that do not work afterwards",
      measured: fates.filter(({ works }) => !works).length,
      unit: "",
      most: 0,
      detail: `of ${fates.length}`,
    },
    {
      what: "slowest return, of one back-off, renewing all, and 2 s",
      measured: worst,
      most: 1,
      detail:
        `p50 ${seconds(0.5)} s, p99 ${seconds(0.99)} s, last ${seconds(1)} s; ` +
        `all were renewed at once in ${number(renewalOfAll / SECOND)} s`,
    },
    {
      what: "token requests at once",
      measured: peak,
      unit: "",
      most: FLIGHTS_A_HOST,
      detail: `a second, from the return on: ${eachSecond.join(" ")}`,
    },
  ];
}

/** One back-off of this one, ms. */
function allowed(
  { asked, failures, after }: Fate,
  { endedAt, retryAfter, share }: Outcome,
): number {
  // What was due at that moment may have been tried in vain since it was looked at.
  const isDue = (after.retryAt ?? 0) < endedAt + SECOND;
  const now = { failures: Math.max(1, failures), flying: after.state === "refreshing" || isDue };
  return longestReturn({ asked, retryAfter, share }, now);
}
