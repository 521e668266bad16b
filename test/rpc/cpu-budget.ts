import test from "ava";
import { CpuBudgets } from "../../src/rpc/cpu-budget.ts";

/** Budgets on clocks that stand still unless a test moves them. */
function setup() {
  let nowMs = 0;
  let cpuMs = 0;
  const budgets = new CpuBudgets({ monotonic: () => nowMs, cpu: () => cpuMs });
  const ours = (pid: number) => ({ uid: process.geteuid!(), pid, connectedAt: 0 });
  return {
    budgets,
    own: (pid: number) => budgets.of(ours(pid)),
    guest: (uid: number, isRefused = false) =>
      budgets.of({ uid, pid: 1, connectedAt: 0 }, isRefused),
    /** Work that takes so long; `cpu`: of which the processor was ours. */
    work:
      (ms: number, cpu = ms) =>
      () => {
        nowMs += ms;
        cpuMs += cpu;
      },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

/** As root everybody else is a guest; a uid that is neither root nor ours. */
const GUEST = 64_200;

test("one process has one budget, whatever the number of its connections; a guest has one for all processes", (t) => {
  const { own, guest, budgets } = setup();
  t.is(own(1), own(1));
  t.not(own(1), own(2));
  t.is(guest(GUEST), guest(GUEST));
  t.not(guest(GUEST), guest(GUEST, true));
  t.not(guest(GUEST), guest(GUEST + 1));
  t.not(budgets.of(undefined), budgets.of(undefined));
});

test("short work is free at any pace, a long block is paid with a pause", (t) => {
  const { own, work } = setup();
  const [busy, other] = [own(1), own(2)];
  for (let i = 0; i < 10_000; i++) {
    busy.measure(work(0.1));
    other.measure(work(0.01));
  }
  t.is(busy.pauseMs, 0);
  busy.measure(work(5));
  t.is(busy.pauseMs, 0, "one of them is within what may be used at once");
  busy.measure(work(5));
  const pause = busy.pauseMs;
  t.true(pause > 400 && pause <= 500, `${pause}`);
  busy.measure(work(6));
  t.true(busy.pauseMs > pause + 2_000, `${busy.pauseMs}`);
  t.is(other.pauseMs, 0);
});

test("a program that opens a hundred connections a second is not paused", (t) => {
  const { own, work, pass, budgets } = setup();
  const [busy, other] = [own(1), own(2)];
  for (let i = 0; i < 1_000; i++) {
    // Who it is, is found out once a connection.
    busy.measure(() => {
      work(0.2)();
      budgets.onceAConnection(work(2));
    });
    other.measure(work(0.01));
    pass(7.5);
    t.is(busy.pauseMs, 0);
  }
  for (let i = 0; i < 1_000; i++) busy.measure(() => budgets.onceAConnection(work(2)));
  other.measure(work(0.01));
  t.true(busy.pauseMs > 0);
});

test("known requests do not pay for garbage that is collected meanwhile, others do", (t) => {
  const { own, work, pass } = setup();
  const [known, other, mixed] = [own(1), own(2), own(3)];
  const collect = (budget: typeof known, ...kinds: boolean[]) =>
    budget.measure(() => {
      for (const isKnown of kinds) budget.note(isKnown);
      work(10)();
    });
  for (let i = 0; i < 100; i++) {
    collect(known, true, true);
    pass(10);
  }
  t.is(known.pauseMs, 0);
  collect(other, false);
  t.true(other.pauseMs > 2_900, `${other.pauseMs}`);
  collect(mixed, true, false, true);
  t.true(mixed.pauseMs > 2_900, `${mixed.pauseMs}`);
});

test("pauses end, and are never longer than 3 s", (t) => {
  const { own, work, pass } = setup();
  const [busy, other] = [own(1), own(2)];
  other.measure(work(0.01));
  busy.measure(work(60_000));
  other.measure(work(0.01));
  t.true(busy.pauseMs <= 3_000 && busy.pauseMs > 2_900);
  pass(3_000);
  t.is(busy.pauseMs, 0);
});

test("a program whose requests keep everybody waiting has less than a hundredth of the time", (t) => {
  for (const ms of [4, 10, 20, 30]) {
    const { own, work, pass } = setup();
    const [busy, other] = [own(1), own(2)];
    let usedMs = 0;
    let passedMs = 0;
    for (let i = 0; i < 100; i++) {
      busy.measure(work(ms));
      other.measure(work(0.01));
      usedMs += ms;
      passedMs += ms + busy.pauseMs;
      pass(busy.pauseMs);
    }
    t.true(usedMs / passedMs < 0.0105, `${ms} ms`);
  }
});

test("who is alone is not paused, until somebody else comes", (t) => {
  const { own, work, pass } = setup();
  const [busy, other] = [own(1), own(2)];
  for (let i = 0; i < 100; i++) busy.measure(work(20));
  t.is(busy.pauseMs, 0);
  other.measure(work(0.01));
  t.true(busy.pauseMs > 0);
  // Nobody else for ten seconds.
  pass(2_000);
  for (let i = 0; i < 100; i++) busy.measure(work(100));
  t.is(busy.pauseMs, 0);
});

test("of messages that can't be read 5,000 a second are free", (t) => {
  const { own, work, pass } = setup();
  const [busy, other] = [own(1), own(2)];
  for (let second = 0; second < 20; second++) {
    busy.spendOnInvalid(5_000);
    other.measure(work(0.01));
    pass(1_000);
  }
  t.is(busy.pauseMs, 0);
  for (let i = 0; i < 10; i++) busy.spendOnInvalid(5_000);
  t.true(busy.pauseMs > 0);
});

test("of lists of 10,000 credentials some are free, then two a second", (t) => {
  const { own, work, pass } = setup();
  const [busy, other] = [own(1), own(2)];
  const list = () => {
    other.measure(work(0.01));
    busy.spendOnKept(2_500_000);
  };
  for (let i = 0; i < 4; i++) {
    t.is(busy.pauseMs, 0);
    list();
  }
  for (let i = 0; i < 3; i++) {
    list();
    const pause = busy.pauseMs;
    t.true(pause > 400 && pause <= 600, `${pause}`);
    pass(pause);
    t.is(busy.pauseMs, 0);
  }
  for (let i = 0; i < 1_000; i++) busy.spendOnKept(1_000);
  t.true(busy.pauseMs < 300, "small ones cost little");
});

test("a guest who may use nothing gets a hundredth of the thread, also alone", (t) => {
  const { guest, work, pass } = setup();
  const refused = guest(GUEST, true);
  let worked = 0;
  let elapsed = 0;
  while (elapsed < 60_000) {
    const pause = Math.ceil(refused.pauseMs);
    if (pause > 0) {
      pass(pause);
      elapsed += pause;
      continue;
    }
    refused.measure(work(0.1));
    worked += 0.1;
    elapsed += 0.1;
  }
  t.true(worked / elapsed < 0.0102, `${worked} of ${elapsed} ms`);
});

test("time that other processes had is nobody's", (t) => {
  const { own, work } = setup();
  const [busy, other] = [own(1), own(2)];
  for (let i = 0; i < 100; i++) {
    other.measure(work(0.01));
    busy.measure(work(50, 0.05));
  }
  t.is(busy.pauseMs, 0);
});

test("work inside of work counts once", (t) => {
  const { own, work } = setup();
  const [busy, other] = [own(1), own(2)];
  other.measure(work(0.01));
  busy.measure(() => {
    for (let i = 0; i < 10; i++) other.measure(work(10));
  });
  other.measure(work(0.01));
  busy.measure(work(10));
  t.is(other.pauseMs, 0);
  t.true(busy.pauseMs > 0);
});
