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
  const requests = [1, 2, 3].map(() => ({ awaited: false }));
  const queued = requests.map((request, i) =>
    hostLimiter.run("a", request, async () => void order.push(i)),
  );
  requests[2]!.awaited = true;
  for (const job of first) job.finish();
  await Promise.all([...busy, ...queued]);
  t.deepEqual(order, [2, 0, 1]);
});

test("a failure frees its slot", async (t) => {
  const hostLimiter = new HostLimiter();
  for (let i = 0; i < 10; i++) {
    await t.throwsAsync(
      hostLimiter.run("a", { awaited: false }, () => Promise.reject(new Error("no"))),
    );
  }
  t.is(await hostLimiter.run("a", { awaited: false }, async () => "free"), "free");
});

test("a host is failing after a failed request, and blocked for a request in its queue", async (t) => {
  const hostLimiter = new HostLimiter();
  const requests = Array.from({ length: 5 }, () => ({ awaited: false }));
  const jobs = requests.map(work);
  const runs = requests.map((request, i) => hostLimiter.run("a", request, () => jobs[i]!.done));
  const healths = () => requests.map((request) => hostLimiter.health(request));
  t.deepEqual(new Set(healths()), new Set(["healthy"]));
  const down = () => Promise.reject(new AuthdError("issuer_unavailable", "down"));
  await t.throwsAsync(hostLimiter.run("b", { awaited: false }, down));
  t.deepEqual(new Set(healths()), new Set(["healthy"]));
  const sixth = { awaited: true };
  const failing = hostLimiter.run("a", sixth, down);
  jobs[0]!.finish();
  await t.throwsAsync(failing);
  t.deepEqual(healths().slice(1), ["failing", "failing", "failing", "failing"]);
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
  const requests = Array.from({ length: 5 }, () => ({ awaited: false }));
  const jobs = requests.map(work);
  const runs = requests.map((request, i) => hostLimiter.run("a", request, () => jobs[i]!.done));
  t.deepEqual(
    new Set(requests.map((request) => hostLimiter.health(request))),
    new Set(["failing"]),
  );
  for (const job of jobs) job.finish();
  await Promise.all(runs);
});

test("a request that releases its slot before it ends lets another start, and its host counts as failing until it has ended", async (t) => {
  const hostLimiter = new HostLimiter();
  const started: number[] = [];
  const jobs = Array.from({ length: 6 }, work);
  const releases: (() => void)[] = [];
  const requests = jobs.map(() => ({ awaited: false }));
  const runs = jobs.map((job, i) =>
    hostLimiter.run("a", requests[i]!, async (release) => {
      started.push(i);
      releases[i] = release;
      await job.done;
    }),
  );
  await new Promise(setImmediate);
  releases[0]!();
  await new Promise(setImmediate);
  t.deepEqual(started, [0, 1, 2, 3, 4]);
  t.is(hostLimiter.health(requests[5]!), "blocked");
  // Twice is once.
  releases[0]!();
  jobs[0]!.finish();
  await runs[0];
  t.deepEqual(started, [0, 1, 2, 3, 4]);
  t.is(hostLimiter.health(requests[5]!), "healthy");
  for (const job of jobs) job.finish();
  await Promise.all(runs);
  t.is(started.length, 6);
});
