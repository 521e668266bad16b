import test from "ava";
import { ThrottledWarning } from "../../src/base/throttled-warning.ts";

const MINUTE = 60_000;
const at = (boot: number) => ({ wall: 1_000_000 + boot, boot });
const tokens = { atRisk: "tokens", message: "no room" } as const;
const secrets = { atRisk: "secrets", message: "no room" } as const;

test("a failure is said at once, then after growing silences, an hour at most", (t) => {
  const alarm = new ThrottledWarning();
  const said: number[] = [];
  for (let boot = 0; boot <= 300 * MINUTE; boot += 5_000) {
    if (alarm.shouldReport(secrets, at(boot))) said.push(boot / MINUTE);
  }
  t.deepEqual(said, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
  t.deepEqual(alarm.unsaved, { since: 1_000_000, ...secrets });
});

test("more at stake is said at once; other words for it are not", (t) => {
  const alarm = new ThrottledWarning();
  t.true(alarm.shouldReport(tokens, at(0)));
  t.false(alarm.shouldReport({ ...tokens, message: "read-only" }, at(1)));
  t.is(alarm.unsaved?.message, "read-only");
  t.true(alarm.shouldReport(secrets, at(2)));
  t.false(alarm.shouldReport(secrets, at(3)));
  t.is(alarm.unsaved?.since, at(0).wall);
});

test("when it is over the next failure is news again", (t) => {
  const alarm = new ThrottledWarning();
  t.is(alarm.clear(), undefined);
  alarm.shouldReport(tokens, at(0));
  t.deepEqual(alarm.clear(), { since: at(0).wall, ...tokens });
  t.is(alarm.unsaved, undefined);
  t.true(alarm.shouldReport(tokens, at(1)));
});
