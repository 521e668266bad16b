import test from "ava";
import { backoff } from "../../src/credential/backoff.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

test("the wait doubles from 1 s to 5 min", (t) => {
  const waits = [1, 2, 3, 8, 9, 10, 1_000].map((failures) => backoff({ failures, random: 1 }));
  t.deepEqual(
    waits,
    [1, 2, 4, 128, 256, 300, 300].map((seconds) => seconds * SECOND),
  );
});

test("jitter takes up to half, but never goes under 1 s", (t) => {
  t.is(backoff({ failures: 1, random: 0 }), SECOND);
  t.is(backoff({ failures: 4, random: 0 }), 4 * SECOND);
  t.is(backoff({ failures: 4, random: 0.5 }), 6 * SECOND);
});

test("Retry-After is honoured up to an hour", (t) => {
  t.is(backoff({ failures: 1, retryAfter: 90 * SECOND, random: 0 }), 90 * SECOND);
  t.is(backoff({ failures: 1, retryAfter: 86_400 * SECOND, random: 0 }), 60 * MINUTE);
});

test("after a firewall's 403 the wait is 5 min to 1 h", (t) => {
  const wait = (failures: number, random: number) => backoff({ failures, kind: "blocked", random });
  t.is(wait(1, 0), 5 * MINUTE);
  t.is(wait(1, 1), 5 * MINUTE);
  t.is(wait(3, 0), 10 * MINUTE);
  t.is(wait(50, 1), 60 * MINUTE);
});
