import test from "ava";
import { Agenda } from "../../src/credential/agenda.ts";

test("those whose time has come are taken out, the earliest first, and once", (t) => {
  const agenda = new Agenda();
  agenda.set("late", 30);
  agenda.set("early", 10);
  agenda.set("never", Number.POSITIVE_INFINITY);
  t.is(agenda.next, 10);
  t.deepEqual(agenda.take(9), []);
  t.deepEqual(agenda.take(30), ["early", "late"]);
  t.is(agenda.get("early"), Number.POSITIVE_INFINITY);
  t.is(agenda.next, Number.POSITIVE_INFINITY);
});

test("what is set last counts, earlier or later", (t) => {
  const agenda = new Agenda();
  for (const at of [20, 5, 40, 20]) agenda.set("a", at);
  t.is(agenda.next, 20);
  t.deepEqual(agenda.take(50), ["a"]);
});

test("one that was deleted is never due", (t) => {
  const agenda = new Agenda();
  agenda.set("a", 1);
  agenda.delete("a");
  t.is(agenda.get("a"), undefined);
  t.deepEqual(agenda.take(2), []);
});

test("what is put off again and again comes in its time", (t) => {
  const agenda = new Agenda();
  for (let n = 0; n < 1_000; n++) {
    for (let id = 0; id < 7; id++) agenda.set(`c${id}`, 10_000 + n * 7 - id);
  }
  t.is(agenda.next, 10_000 + 999 * 7 - 6);
  t.is(agenda.take(20_000).length, 7);
});
