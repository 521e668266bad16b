import test from "ava";
import { DeadlineQueue } from "../../src/credential/deadline-queue.ts";

test("those whose time has come are taken out, the earliest first, and once", (t) => {
  const deadlines = new DeadlineQueue();
  deadlines.set("late", 30);
  deadlines.set("early", 10);
  deadlines.set("never", Number.POSITIVE_INFINITY);
  t.is(deadlines.next, 10);
  t.deepEqual(deadlines.takeDue(9), []);
  t.deepEqual(deadlines.takeDue(30), ["early", "late"]);
  t.is(deadlines.get("early"), Number.POSITIVE_INFINITY);
  t.is(deadlines.next, Number.POSITIVE_INFINITY);
});

test("what is set last counts, earlier or later", (t) => {
  const deadlines = new DeadlineQueue();
  for (const at of [20, 5, 40, 20]) deadlines.set("a", at);
  t.is(deadlines.next, 20);
  t.deepEqual(deadlines.takeDue(50), ["a"]);
});

test("one that was deleted is never due", (t) => {
  const deadlines = new DeadlineQueue();
  deadlines.set("a", 1);
  deadlines.delete("a");
  t.is(deadlines.get("a"), undefined);
  t.deepEqual(deadlines.takeDue(2), []);
});

test("what is put off again and again comes in its time", (t) => {
  const deadlines = new DeadlineQueue();
  for (let n = 0; n < 1_000; n++) {
    for (let id = 0; id < 7; id++) deadlines.set(`c${id}`, 10_000 + n * 7 - id);
  }
  t.is(deadlines.next, 10_000 + 999 * 7 - 6);
  t.is(deadlines.takeDue(20_000).length, 7);
});
