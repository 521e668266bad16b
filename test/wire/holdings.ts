import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { Holdings, Share } from "../../src/wire/holdings.ts";

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
  const all = new Holdings(limits);
  const share = new Share(all);
  const lot = share.open();
  t.is(lot.reserve(40), undefined);
  t.is(lot.reserve(30), undefined);
  t.is(lot.reserve(60), undefined);
  t.deepEqual([all.answers, all.answerBytes, share.bytes], [1, 60, 60]);
  lot.keep(10);
  t.deepEqual([all.answers, all.answerBytes, share.bytes], [1, 10, 10]);
  lot.release();
  lot.release();
  t.deepEqual([all.answers, all.answerBytes, share.bytes], [0, 0, 0]);
});

test("one connection waits for itself, and holds up nobody else", async (t) => {
  const all = new Holdings(limits);
  const [greedy, other] = [new Share(all), new Share(all)];
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
  const all = new Holdings(limits);
  const [one, two, three] = [new Share(all), new Share(all), new Share(all)];
  const held = one.open();
  t.is(held.reserve(60), undefined);
  const large = watch(two.open().reserve(50));
  const lot = three.open();
  const small = watch(lot.reserve(10));
  await turn();
  t.deepEqual([large.done, small.done], [false, false]);
  held.release();
  await turn();
  t.deepEqual([large.done, small.done], [true, true]);
});

test("a connection that is gone gives everything back, and waits for nothing", async (t) => {
  const all = new Holdings(limits);
  const [gone, other] = [new Share(all), new Share(all)];
  t.is(gone.open().reserve(60), undefined);
  const never = watch(gone.open().reserve(30));
  const waiting = watch(other.open().reserve(50));
  gone.close();
  await turn();
  t.deepEqual([never.done, waiting.done], [false, true]);
  t.deepEqual([all.answers, all.answerBytes, gone.bytes], [1, 50, 0]);
});

test("too many at once are too_busy", (t) => {
  const share = new Share(new Holdings(limits));
  const lots = [share.open(), share.open(), share.open()];
  const error = t.throws(() => share.open(), { instanceOf: AuthdError });
  t.is(error.reason, "too_busy");
  t.true((error.retryAfterMs ?? 0) > 0);
  lots[0]!.release();
  t.notThrows(() => share.open());
});
