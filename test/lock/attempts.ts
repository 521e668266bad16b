import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { Attempts } from "../../src/lock/attempts.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

const WRONG = new Error("wrong");
const wrong = () => Promise.reject(WRONG);
const right = () => Promise.resolve("right");

test("wrong ones are slowed more and more, for whoever makes them alone", async (t) => {
  const clock = new FakeClock();
  const attempts = new Attempts(clock);
  const waits: number[] = [];
  await t.throwsAsync(attempts.run("a", wrong), { is: WRONG });
  for (let i = 0; i < 12; i++) {
    await t.throwsAsync(attempts.run("a", wrong), { is: WRONG });
    const error = await t.throwsAsync(attempts.run("a", right), { instanceOf: AuthdError });
    t.is(error?.reason, "too_busy");
    t.is(await attempts.run("b", right), "right");
    waits.push(error!.retryAfterMs! / 1_000);
    clock.advance(error!.retryAfterMs!);
  }
  t.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
  t.is(await attempts.run("a", right), "right");
  // The right one makes all of it forgotten.
  await t.throwsAsync(attempts.run("a", wrong), { is: WRONG });
  t.is(await attempts.run("a", right), "right");
});

test("one at a time, those first who were wrong least; who tries already waits for the outcome", async (t) => {
  const attempts = new Attempts(new FakeClock());
  await t.throwsAsync(attempts.run("guesser", wrong), { is: WRONG });
  const order: string[] = [];
  let running = 0;
  let end = () => {};
  const first = attempts.run("first", () => new Promise<void>((done) => (end = done)));
  const noted = (name: string) => async () => {
    t.is(++running, 1);
    await Promise.resolve();
    order.push(name);
    running--;
  };
  const all = ["guesser", "person", "other"].map((name) => attempts.run(name, noted(name)));
  const again = attempts.run("guesser", right);
  await t.throwsAsync(again, { message: /one is just being tried/ });
  end();
  await Promise.all([first, ...all]);
  t.deepEqual(order, ["person", "other", "guesser"]);
});

test("what is forgotten after an hour does not count any more", async (t) => {
  const clock = new FakeClock();
  const attempts = new Attempts(clock);
  for (const _ of [1, 2]) await t.throwsAsync(attempts.run("a", wrong), { is: WRONG });
  clock.advance(3_602_000);
  await t.throwsAsync(attempts.run("b", wrong), { is: WRONG });
  await t.throwsAsync(attempts.run("a", wrong), { is: WRONG });
  t.is(await attempts.run("a", right), "right");
});
