import test from "ava";
import { RateLimiter } from "../../src/base/rate-limiter.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

const RATE = { count: 3, perMs: 60_000 };

test("so many at once, then one for each share of the time", async (t) => {
  const clock = new FakeClock();
  const rates = new RateLimiter(clock);
  t.deepEqual(
    [1, 2, 3].map(() => rates.take("a", RATE)),
    [0, 0, 0],
  );
  t.is(rates.take("a", RATE), 20_000);
  await clock.advance(19_000);
  t.is(rates.take("a", RATE), 1_000);
  await clock.advance(1_000);
  t.is(rates.take("a", RATE), 0);
  t.is(rates.take("a", RATE), 20_000);
});

test("what is refused does not count", async (t) => {
  const clock = new FakeClock();
  const rates = new RateLimiter(clock);
  for (let use = 0; use < 100; use++) rates.take("a", RATE);
  await clock.advance(60_000);
  t.deepEqual(
    [1, 2, 3].map(() => rates.take("a", RATE)),
    [0, 0, 0],
  );
});

test("each key has its own", (t) => {
  const rates = new RateLimiter(new FakeClock());
  for (let use = 0; use < 3; use++) rates.take("a", RATE);
  t.not(rates.take("a", RATE), 0);
  t.is(rates.take("b", RATE), 0);
});
