import test from "ava";
import { timeOfRefusal } from "../../src/grants/time-of-refusal.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");
const AHEAD = NOW + 60_000;

const answer = (error: string, status = 400) => ({
  ...{ status, headers: {}, text: JSON.stringify({ error }) },
  sentAt: { earliest: AHEAD, assumed: AHEAD },
});

test("a refused signature is made again by the issuer's clock, where the clocks are apart", (t) => {
  t.is(timeOfRefusal(answer("invalid_client", 401), NOW), AHEAD);
  t.is(timeOfRefusal(answer("invalid_client", 401), AHEAD), undefined);
});

test("an answer to a poll refuses no signature: it is not sent twice", (t) => {
  for (const error of ["authorization_pending", "slow_down"])
    t.is(timeOfRefusal(answer(error), NOW), undefined);
});
