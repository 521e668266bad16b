import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { PassphraseThrottle } from "../../src/lock/passphrase-throttle.ts";
import type { Guesser } from "../../src/lock/session-key.ts";
import { FakeClock } from "../helpers/fake-clock.ts";

/** One that has nothing in common with others. */
const alone = (session: string): Guesser => ({
  session,
  lineage: [{ id: session, startedAtMs: 0 }],
});
/** A process below `parents`, in a session of its own, as old as its name says. */
const below = (session: string, startedAtMs: number, ...parents: readonly string[]): Guesser => ({
  session,
  lineage: [...parents.map((id) => ({ id, startedAtMs: 1 })), { id: session, startedAtMs }],
});

const WRONG = new Error("wrong");
const wrong = () => Promise.reject(WRONG);
const right = () => Promise.resolve("right");

test("wrong ones are slowed more and more, for whoever makes them alone", async (t) => {
  const clock = new FakeClock();
  const attempts = new PassphraseThrottle(clock);
  const waits: number[] = [];
  await t.throwsAsync(attempts.run(alone("a"), wrong), { is: WRONG });
  for (let i = 0; i < 12; i++) {
    await t.throwsAsync(attempts.run(alone("a"), wrong), { is: WRONG });
    const error = await t.throwsAsync(attempts.run(alone("a"), right), { instanceOf: AuthdError });
    t.is(error?.reason, "too_busy");
    t.is(await attempts.run(alone("b"), right), "right");
    waits.push(error!.retryAfterMs! / 1_000);
    clock.advance(error!.retryAfterMs!);
  }
  t.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
  t.is(await attempts.run(alone("a"), right), "right");
  // The right one makes all of it forgotten.
  await t.throwsAsync(attempts.run(alone("a"), wrong), { is: WRONG });
  t.is(await attempts.run(alone("a"), right), "right");
});

test("one at a time, those first who were wrong least; who tries already waits for the outcome", async (t) => {
  const attempts = new PassphraseThrottle(new FakeClock());
  await t.throwsAsync(attempts.run(alone("guesser"), wrong), { is: WRONG });
  const order: string[] = [];
  let running = 0;
  let end = () => {};
  const first = attempts.run(alone("first"), () => new Promise<void>((done) => (end = done)));
  const noted = (name: string) => async () => {
    t.is(++running, 1);
    await Promise.resolve();
    order.push(name);
    running--;
  };
  const all = ["guesser", "person", "other"].map((name) => attempts.run(alone(name), noted(name)));
  const again = attempts.run(alone("guesser"), right);
  await t.throwsAsync(again, { message: /one is just being tried/ });
  end();
  await Promise.all([first, ...all]);
  t.deepEqual(order, ["person", "other", "guesser"]);
});

test("what is forgotten after an hour does not count any more", async (t) => {
  const clock = new FakeClock();
  const attempts = new PassphraseThrottle(clock);
  for (const _ of [1, 2]) await t.throwsAsync(attempts.run(alone("a"), wrong), { is: WRONG });
  clock.advance(3_602_000);
  await t.throwsAsync(attempts.run(alone("b"), wrong), { is: WRONG });
  await t.throwsAsync(attempts.run(alone("a"), wrong), { is: WRONG });
  t.is(await attempts.run(alone("a"), right), "right");
});

test("guesses from ever new sessions of one program go behind who is not its child", async (t) => {
  const attempts = new PassphraseThrottle(new FakeClock());
  const order: string[] = [];
  const tries = (name: string, ok: boolean) => async () => {
    order.push(name);
    if (!ok) throw WRONG;
  };
  const guesses = Array.from({ length: 200 }, (_, index) =>
    attempts.run(
      below(`g${index}`, 100 + index, "terminal", "shell", "guesser"),
      tries("g", false),
    ),
  );
  const person = attempts.run(below("person", 999, "terminal", "another shell"), tries("me", true));
  await person;
  t.deepEqual(order.filter((name) => name === "g").length, 1, "the one under way");
  await Promise.allSettled(guesses);
  t.is(order.length, 201);
});

test("where nobody was wrong yet, who is older goes first", async (t) => {
  const attempts = new PassphraseThrottle(new FakeClock());
  const order: string[] = [];
  const tries = (name: string) => async () => void order.push(name);
  await Promise.all([
    attempts.run(below("first", 50), tries("first")),
    attempts.run(below("new", 500, "terminal"), tries("new")),
    attempts.run(below("old", 5, "terminal"), tries("old")),
  ]);
  t.deepEqual(order, ["first", "old", "new"]);
});
