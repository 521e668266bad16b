import test from "ava";
import { ConnectionBudget, MemoryBudget } from "../../src/base/memory-budget.ts";
import { AuthdError } from "../../src/errors.ts";

const limits = { requestBytes: 0, answers: 3, answerBytes: 100, answerBytesEach: 60 };

/** Whether it was granted: at once, or by now. */
function watch(granted: Promise<void> | undefined): { done: boolean } {
  const seen = { done: granted === undefined };
  void granted?.then(() => {
    seen.done = true;
  });
  return seen;
}
const turn = () => new Promise(setImmediate);

test("what fits is granted at once, and given back when it is released", (t) => {
  const all = new MemoryBudget(limits);
  const budget = new ConnectionBudget(all);
  const reservation = budget.open();
  t.is(reservation.reserve(40), undefined);
  t.is(reservation.reserve(30), undefined);
  t.is(reservation.reserve(60), undefined);
  t.deepEqual([all.answers, all.answerBytes, budget.bytes], [1, 60, 60]);
  reservation.keep(10);
  t.deepEqual([all.answers, all.answerBytes, budget.bytes], [1, 10, 10]);
  reservation.release();
  reservation.release();
  t.deepEqual([all.answers, all.answerBytes, budget.bytes], [0, 0, 0]);
});

test("one connection waits for itself, and holds up nobody else", async (t) => {
  const all = new MemoryBudget(limits);
  const [greedy, other] = [new ConnectionBudget(all), new ConnectionBudget(all)];
  const first = greedy.open();
  t.is(first.reserve(50), undefined);
  const second = greedy.open();
  const waiting = watch(second.reserve(20));
  t.is(other.open().reserve(40), undefined);
  await turn();
  t.false(waiting.done);
  first.keep(40);
  await turn();
  t.true(waiting.done);
  t.is(all.answerBytes, 100);
});

test("who waits for the bound of all is not overtaken", async (t) => {
  const all = new MemoryBudget(limits);
  const [one, two, three] = [
    new ConnectionBudget(all),
    new ConnectionBudget(all),
    new ConnectionBudget(all),
  ];
  const held = one.open();
  t.is(held.reserve(60), undefined);
  const large = watch(two.open().reserve(50));
  const reservation = three.open();
  const small = watch(reservation.reserve(10));
  await turn();
  t.deepEqual([large.done, small.done], [false, false]);
  held.release();
  await turn();
  t.deepEqual([large.done, small.done], [true, true]);
});

test("a connection that is gone gives everything back, and waits for nothing", async (t) => {
  const all = new MemoryBudget(limits);
  const [gone, other] = [new ConnectionBudget(all), new ConnectionBudget(all)];
  t.is(gone.open().reserve(60), undefined);
  const never = watch(gone.open().reserve(30));
  const waiting = watch(other.open().reserve(50));
  gone.close();
  await turn();
  t.deepEqual([never.done, waiting.done], [false, true]);
  t.deepEqual([all.answers, all.answerBytes, gone.bytes], [1, 50, 0]);
});

test("too many at once are too_busy", (t) => {
  const budget = new ConnectionBudget(new MemoryBudget(limits));
  const lots = [budget.open(), budget.open(), budget.open()];
  const error = t.throws(() => budget.open(), { instanceOf: AuthdError });
  t.is(error.reason, "too_busy");
  t.true((error.retryAfterMs ?? 0) > 0);
  lots[0]!.release();
  t.notThrows(() => budget.open());
});
