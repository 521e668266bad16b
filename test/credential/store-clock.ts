/** What a host knows of its store's clock, from answers that take their time. */

import test from "ava";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { StoreClock } from "../../src/credential/shared/store-clock.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

/** The store's clock is so far ahead of the host's boot time, ms. */
const AHEAD = 1_000_000;

function startClock() {
  const clock = new FakeClock();
  const store = { ahead: AHEAD };
  const storeClock = new StoreClock(new Timekeeper(clock, () => {}));
  /** An answer of the store that was given `thereMs` after the question, and came `backMs` later. */
  const ask = (thereMs: number, backMs: number) =>
    storeClock.ask(async () => {
      clock.advance(thereMs);
      const nowMs = clock.boot() + store.ahead;
      clock.advance(backMs);
      return { nowMs };
    });
  return { clock, store, storeClock, ask };
}

test("tokens get older by the time of an answer, and not by that of a slow one", async (t) => {
  const { clock, storeClock, ask } = startClock();
  const ageOf = (ageMs: number) =>
    clock.boot() - storeClock.toLocal(clock.boot() + AHEAD - ageMs).boot;
  await ask(300, 100);
  t.is(ageOf(5_000), 5_300);
  await ask(10, 5);
  t.is(ageOf(5_000), 5_010);
  // It waited for a network that was down.
  await ask(5_000, 2_000);
  const age = ageOf(5_000);
  t.true(age >= 5_010 && age < 5_020, `${age}`);
  const stamp = storeClock.toStore(clock.boot())! - AHEAD;
  t.true(stamp <= clock.boot() && stamp > clock.boot() - 20, `${stamp - clock.boot()}`);
});

test("a clock that was set is believed", async (t) => {
  const { clock, store, storeClock, ask } = startClock();
  await ask(10, 5);
  for (const step of [60_000, -120_000]) {
    store.ahead += step;
    await ask(20, 10);
    t.is(clock.boot() - storeClock.toLocal(clock.boot() + store.ahead).boot, 20);
  }
});
