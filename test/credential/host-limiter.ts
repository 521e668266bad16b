import test from "ava";
import { HostLimiter } from "../../src/credential/host-limiter.ts";
import { AuthdError } from "../../src/errors.ts";

function work() {
  let finish = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return { done, finish };
}

test("at most four at once go to a host; hosts do not share", async (t) => {
  const hostLimiter = new HostLimiter();
  const started: string[] = [];
  const jobs = Array.from({ length: 6 }, work);
  const runs = jobs.map((job, i) =>
    hostLimiter.run("a", { awaited: false }, async () => {
      started.push(`a${i}`);
      await job.done;
    }),
  );
  await hostLimiter.run("b", { awaited: false }, async () => void started.push("b"));
  t.deepEqual(started, ["a0", "a1", "a2", "a3", "b"]);
  jobs[2]?.finish();
  await runs[2];
  t.is(started.at(-1), "a4");
  for (const job of jobs) job.finish();
  await Promise.all(runs);
  t.is(started.length, 7);
});

test("one that a caller waits for goes first, even if it became so while waiting", async (t) => {
  const hostLimiter = new HostLimiter();
  const order: number[] = [];
  const first = Array.from({ length: 4 }, work);
  const busy = first.map((job) => hostLimiter.run("a", { awaited: false }, () => job.done));
  const passengers = [1, 2, 3].map(() => ({ awaited: false }));
  const queued = passengers.map((passenger, i) =>
    hostLimiter.run("a", passenger, async () => void order.push(i)),
  );
  passengers[2]!.awaited = true;
  for (const job of first) job.finish();
  await Promise.all([...busy, ...queued]);
  t.deepEqual(order, [2, 0, 1]);
});

test("a failure frees its lane", async (t) => {
  const hostLimiter = new HostLimiter();
  for (let i = 0; i < 10; i++) {
    await t.throwsAsync(
      hostLimiter.run("a", { awaited: false }, () => Promise.reject(new Error("no"))),
    );
  }
  t.is(await hostLimiter.run("a", { awaited: false }, async () => "free"), "free");
});

test("the outlook is poor while a host's last request came to nothing, and none in its queue", async (t) => {
  const hostLimiter = new HostLimiter();
  const passengers = Array.from({ length: 5 }, () => ({ awaited: false }));
  const jobs = passengers.map(work);
  const runs = passengers.map((passenger, i) =>
    hostLimiter.run("a", passenger, () => jobs[i]!.done),
  );
  const outlooks = () => passengers.map((passenger) => hostLimiter.health(passenger));
  t.deepEqual(new Set(outlooks()), new Set(["healthy"]));
  const down = () => Promise.reject(new AuthdError("issuer_unavailable", "down"));
  await t.throwsAsync(hostLimiter.run("b", { awaited: false }, down));
  t.deepEqual(new Set(outlooks()), new Set(["healthy"]));
  const sixth = { awaited: true };
  const failing = hostLimiter.run("a", sixth, down);
  jobs[0]!.finish();
  await t.throwsAsync(failing);
  t.deepEqual(outlooks().slice(1), ["failing", "failing", "failing", "failing"]);
  const waiting = { awaited: false };
  const last = hostLimiter.run("a", waiting, async () => {});
  t.is(hostLimiter.health(waiting), "blocked");
  for (const job of jobs) job.finish();
  await Promise.all([...runs, last]);
  t.is(hostLimiter.health(waiting), "healthy");
});

test("what a host was like before it had nothing to do is no reason not to queue for it", async (t) => {
  const hostLimiter = new HostLimiter();
  const down = () => Promise.reject(new AuthdError("issuer_unavailable", "down"));
  await t.throwsAsync(hostLimiter.run("a", { awaited: false }, down));
  const passengers = Array.from({ length: 5 }, () => ({ awaited: false }));
  const jobs = passengers.map(work);
  const runs = passengers.map((passenger, i) =>
    hostLimiter.run("a", passenger, () => jobs[i]!.done),
  );
  t.deepEqual(
    new Set(passengers.map((passenger) => hostLimiter.health(passenger))),
    new Set(["failing"]),
  );
  for (const job of jobs) job.finish();
  await Promise.all(runs);
});

test("one that leaves its lane before it ends lets another in, and its host counts as silent until it has ended", async (t) => {
  const hostLimiter = new HostLimiter();
  const started: number[] = [];
  const jobs = Array.from({ length: 6 }, work);
  const leaves: (() => void)[] = [];
  const passengers = jobs.map(() => ({ awaited: false }));
  const runs = jobs.map((job, i) =>
    hostLimiter.run("a", passengers[i]!, async (leave) => {
      started.push(i);
      leaves[i] = leave;
      await job.done;
    }),
  );
  await new Promise(setImmediate);
  leaves[0]!();
  await new Promise(setImmediate);
  t.deepEqual(started, [0, 1, 2, 3, 4]);
  t.is(hostLimiter.health(passengers[5]!), "blocked");
  // Twice is once.
  leaves[0]!();
  jobs[0]!.finish();
  await runs[0];
  t.deepEqual(started, [0, 1, 2, 3, 4]);
  t.is(hostLimiter.health(passengers[5]!), "healthy");
  for (const job of jobs) job.finish();
  await Promise.all(runs);
  t.is(started.length, 6);
});
