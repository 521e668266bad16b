import test from "ava";
import { WriteQueue } from "../../src/vault/write-queue.ts";

/** A queue whose jobs wait until they are let go. */
function gatedQueue(merge: (a: string, b: string) => string | undefined = (_, next) => next) {
  const started: string[] = [];
  const gates: (() => void)[] = [];
  const queue = new WriteQueue<string>(async (name, job) => {
    started.push(`${name}=${job}`);
    await new Promise<void>((done) => gates.push(done));
    if (job === "bad") throw new Error("no good");
  }, merge);
  const letGo = async () => {
    gates.shift()?.();
    await new Promise((done) => setImmediate(done));
  };
  return { queue, started, letGo };
}

test("one name's jobs run one after another, and those that wait become one", async (t) => {
  const { queue, started, letGo } = gatedQueue();
  const done = ["1", "2", "3"].map((job) => queue.push("a", job));
  t.deepEqual(started, ["a=1"]);
  await letGo();
  await done[0];
  t.deepEqual(started, ["a=1", "a=3"]);
  await letGo();
  await Promise.all(done);
});

test("jobs that can't be merged keep their order", async (t) => {
  const { queue, started, letGo } = gatedQueue(() => undefined);
  const done = ["1", "2", "3"].map((job) => queue.push("a", job));
  for (const promise of done) {
    await letGo();
    await promise;
  }
  t.deepEqual(started, ["a=1", "a=2", "a=3"]);
});

test("other names do not wait, but at most eight run at once", async (t) => {
  const { queue, started, letGo } = gatedQueue();
  const all = Array.from({ length: 20 }, (_, index) => queue.push(`n${index}`, "x"));
  t.is(started.length, 8);
  while (started.length < 20) await letGo();
  for (let left = 8; left > 0; left--) await letGo();
  await Promise.all(all);
  t.is(new Set(started).size, 20);
});

test("a failure reaches everybody whose job was merged, and only them", async (t) => {
  const { queue, letGo } = gatedQueue();
  const first = queue.push("a", "good");
  const merged = [queue.push("a", "superseded"), queue.push("a", "bad")];
  const outcome = Promise.allSettled(merged);
  await letGo();
  await first;
  await letGo();
  t.deepEqual(
    (await outcome).map(({ status }) => status),
    ["rejected", "rejected"],
  );
  const next = queue.push("a", "good again");
  await letGo();
  await t.notThrowsAsync(next);
});

test("drain waits for all, failures too", async (t) => {
  const { queue, letGo } = gatedQueue();
  const failing = t.throwsAsync(queue.push("a", "bad"));
  const later = queue.push("b", "good");
  let drained = false;
  const drain = queue.drain().then(() => {
    drained = true;
  });
  await letGo();
  t.false(drained);
  await letGo();
  await Promise.all([failing, later, drain]);
});
