import test from "ava";
import { UnauthorizedBackoff } from "../../src/credential/unauthorized-backoff.ts";

const ORIGIN = "https://api.example";
const about = (now: number, age: number) => ({ now, age, random: 1 });

test("a token that the origin took before is renewed on 401, young or not", (t) => {
  const backoff = new UnauthorizedBackoff();
  const token = {};
  backoff.recordAccepted(ORIGIN, token);
  t.true(backoff.shouldRefresh(ORIGIN, token, about(1_000, 10)));
});

test("a 401 for a token just obtained is passed on", (t) => {
  const backoff = new UnauthorizedBackoff();
  t.false(backoff.shouldRefresh(ORIGIN, {}, about(1_000, 2_999)));
});

test("an older token is renewed, and further renewals back off until the origin takes one", (t) => {
  const backoff = new UnauthorizedBackoff();
  t.true(backoff.shouldRefresh(ORIGIN, {}, about(10_000, 5_000)));
  t.false(backoff.shouldRefresh(ORIGIN, {}, about(10_500, 5_000)));
  t.true(backoff.shouldRefresh(ORIGIN, {}, about(11_000, 5_000)));
  t.false(backoff.shouldRefresh(ORIGIN, {}, about(12_500, 5_000)));
  t.true(backoff.shouldRefresh(ORIGIN, {}, about(13_000, 5_000)));
  const taken = {};
  backoff.recordAccepted(ORIGIN, taken);
  t.true(backoff.shouldRefresh(ORIGIN, taken, about(13_001, 100)));
});

test("origins do not share", (t) => {
  const backoff = new UnauthorizedBackoff();
  t.true(backoff.shouldRefresh(ORIGIN, {}, about(10_000, 5_000)));
  t.true(backoff.shouldRefresh("https://other.example", {}, about(10_000, 5_000)));
});
