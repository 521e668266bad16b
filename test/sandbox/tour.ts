import { existsSync } from "node:fs";
import test from "ava";
import { openPlayground } from "../../src/sandbox/playground.ts";
import { type StepResult, TOUR_LIFETIMES, walk } from "../../src/sandbox/tour.ts";

const { signal } = new AbortController();

test("a step that does not work is told as such, and the tour goes on", async (t) => {
  const playground = await openPlayground({ lifetimes: TOUR_LIFETIMES, logLevel: "info", signal });
  t.teardown(() => playground.close());
  playground.apis.zebbra.fail("down", "api");
  const results: StepResult[] = [];
  for await (const result of walk(playground, signal)) {
    results.push(result);
    if (results.length === 3) break;
  }
  t.deepEqual(
    results.map(({ ok }) => ok),
    [false, true, false],
  );
  t.is(results[0]!.detail, "zebbra answered 503 to its own token");
});

test("an aborted tour stops between two breaths", async (t) => {
  const playground = await openPlayground({ lifetimes: TOUR_LIFETIMES, logLevel: "info", signal });
  t.teardown(() => playground.close());
  const controller = new AbortController();
  const steps = walk(playground, controller.signal);
  await steps.next();
  controller.abort();
  await t.throwsAsync(steps.next(), { any: true, name: "AbortError" });
});

test("close ends the daemon well and removes its folder", async (t) => {
  const playground = await openPlayground({ lifetimes: {}, logLevel: "info", signal });
  t.true(existsSync(playground.folder));
  t.is(await playground.close(), 0);
  t.is(await playground.ended, 0);
  t.false(existsSync(playground.folder));
});
