import test from "ava";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

test("boot time is carried on by the monotonic clock", (t) => {
  const clock = new FakeClock();
  let samples = 0;
  const counted = Object.assign(Object.create(clock), {
    boot: () => {
      samples++;
      return clock.boot();
    },
  });
  const time = new Timekeeper(counted);
  const start = time.now();
  clock.advance(600_000);
  t.is(time.now().boot - start.boot, 600_000);
  t.is(samples, 1);
  t.is(time.jumps, 0);
});

test("a suspend is seen at once, although the monotonic clock stood still", (t) => {
  const clock = new FakeClock();
  const time = new Timekeeper(clock);
  const start = time.now();
  clock.suspend(3_600_000);
  t.is(time.now().boot - start.boot, 3_600_000);
  t.is(time.jumps, 1);
});

test("a step of the wall clock moves wall time alone", (t) => {
  const clock = new FakeClock();
  const time = new Timekeeper(clock);
  const start = time.now();
  for (const step of [3_600_000, -7_200_000, 365 * 86_400_000]) {
    clock.stepWall(step);
    t.is(time.now().boot, start.boot);
  }
  t.is(time.jumps, 3);
});

test("a slewed wall clock is no jump, however far it drifts in the end", (t) => {
  const clock = new FakeClock();
  const time = new Timekeeper(clock);
  for (let i = 0; i < 100; i++) {
    clock.advance(30_000);
    clock.stepWall(15);
    time.now();
    time.sample();
  }
  t.is(time.jumps, 0);
});

test("a boot clock in whole seconds does not make time go back", (t) => {
  const clock = new FakeClock();
  const coarse = Object.assign(Object.create(clock), {
    boot: () => Math.floor(clock.boot() / 1_000) * 1_000,
  });
  const time = new Timekeeper(coarse);
  let last = time.now().boot;
  for (let i = 0; i < 50; i++) {
    clock.advance(333);
    const { boot } = time.sample();
    t.true(boot >= last);
    last = boot;
  }
});

test("a sleep that the wall clock does not tell is seen when the boot clock is asked", (t) => {
  const clock = new FakeClock();
  let told = 0;
  const time = new Timekeeper(clock, () => void told++);
  const start = time.now();
  clock.suspend(3_600_000);
  clock.stepWall(-3_600_000);
  t.is(time.now().boot, start.boot);
  t.is(time.sample().boot - start.boot, 3_600_000);
  t.is(time.jumps, 1);
  clock.stepWall(-3_600_000);
  time.now();
  t.deepEqual([time.jumps, told], [2, 2]);
});
