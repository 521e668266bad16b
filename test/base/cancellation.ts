import test from "ava";
import { Canceller } from "../../src/base/cancellation.ts";

test("each listener is called once, but for those that were taken away", (t) => {
  const work = new Canceller();
  const called: string[] = [];
  const gone = () => called.push("gone");
  work.addEventListener("abort", () => called.push("first"));
  work.addEventListener("abort", gone);
  work.addEventListener("abort", () => called.push("last"));
  work.removeEventListener("abort", gone);
  t.false(work.aborted);
  work.cancel("why");
  work.cancel("again");
  t.deepEqual(called, ["first", "last"]);
  t.deepEqual([work.aborted, work.reason], [true, "why"]);
});
