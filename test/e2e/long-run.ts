import test, { type ExecutionContext } from "ava";
import { SimulatedClock } from "../../bench/simulation/clock.ts";
import { HOUR, MINUTE, SECOND } from "../../bench/simulation/faults.ts";
import type { Account } from "../../bench/simulation/issuer.ts";
import {
  brought,
  complaint,
  createTrack,
  failed,
  forced,
  sent,
  type Told,
} from "../../bench/simulation/judge.ts";
import { connectTo } from "../../bench/simulation/network.ts";
import { SECRET_FIELD } from "../../bench/simulation/population.ts";
import { ask, waitFor } from "../../bench/simulation/programs.ts";
import { audit, simulate } from "../../bench/simulation/run.ts";
import { World } from "../../bench/simulation/world.ts";
import type { IssuedToken } from "../../src/credential/issued-token.ts";

// Thirty days and 10,000 credentials are bench/long-run.ts.
for (const seed of [1, 2]) {
  test(`two simulated days keep every refresh rule (seed ${seed})`, async (t) => {
    const tally = await simulate({ seed, days: 2, credentials: 60 });
    t.deepEqual(tally.violations, []);
    for (const what of [
      "tokens obtained",
      "tokens served",
      "requests on a kept-alive connection",
      "daemon: starts",
      "machine: slept",
    ]) {
      t.true((tally.counts.get(what) ?? 0) > 1, what);
    }
  });
}

/** A world in which nothing fails, and one credential in use: its token lives for an hour. */
async function inUse(t: ExecutionContext) {
  const world = new World({ seed: 3, credentials: 40, length: 0 });
  world.start();
  await world.settle();
  const account = world.accounts.find(({ kind }) => kind.name === "an hour")!;
  const asked = new Promise<IssuedToken>((resolve, reject) => {
    waitFor(world, Promise.resolve(world.credential(account).token({})), resolve, reject);
  });
  account.track("").askedAt = world.clock.truth;
  world.stir();
  await world.settle();
  await world.run(MINUTE);
  const issued: IssuedToken = await asked;
  t.teardown(() => world.kill());
  t.deepEqual(world.tally.violations, []);
  return { world, account, issued };
}

test("the judge sees a token that is served after its end", async (t) => {
  const { world, account, issued } = await inUse(t);
  world.served(account, issued, "");
  t.is(world.tally.violationCount, 0);
  world.clock.truth += HOUR;
  world.served(account, issued, "");
  t.regex(world.tally.violations[0] ?? "", /served \d+ ms after its end/);
});

test("the judge sees a token that was never issued, and one for another scope", async (t) => {
  const { world, account, issued } = await inUse(t);
  world.served(account, { ...issued, accessToken: "forged" }, "");
  world.served(account, issued, "read");
  t.regex(world.tally.violations[0] ?? "", /never issued/);
  t.regex(world.tally.violations[1] ?? "", /served {2}for read/);
});

test("what was heard before two sleeps in a row was heard only just before", (t) => {
  const clock = new SimulatedClock(() => 0);
  clock.truth = 10 * HOUR;
  clock.suspend(HOUR);
  clock.suspend(HOUR);
  clock.truth += MINUTE;
  t.is(clock.awakeBefore(0), clock.truth);
  t.is(clock.awakeBefore(MINUTE), 12 * HOUR);
  t.is(clock.awakeBefore(6 * MINUTE), 10 * HOUR - 5 * MINUTE);
});

test("the judge sees a request that the rules forbid", async (t) => {
  const { world, account } = await inUse(t);
  const send = connectTo(world.network, () => true);
  const url = `https://${account.host.name}/${account.name}/token`;
  void send({ method: "POST", url, headers: {}, body: "grant_type=client_credentials" });
  t.regex(world.tally.violations[0] ?? "", /a request \d+ ms too soon after \d+ ms/);
});

test("the judge sees a refresh token that is sent again while it can still be answered", async (t) => {
  const world = new World({ seed: 3, credentials: 100, length: 0 });
  t.teardown(() => world.kill());
  world.start();
  await world.settle();
  const account = world.accounts.find(({ kind }) => kind.rotates)!;
  const body = `grant_type=refresh_token&refresh_token=${account.family?.known}`;
  const send = connectTo(world.network, () => true);
  const url = `https://${account.host.name}/${account.name}/token`;
  for (let n = 0; n < 2; n++) void send({ method: "POST", url, headers: {}, body });
  t.regex(world.tally.violations.join("\n"), /again, while it can still be answered/);
});

test("a token that ran out on its way may be asked for once more at once, not twice", (t) => {
  const track = createTrack();
  const never = Number.NEGATIVE_INFINITY;
  const turns = { startedAt: never, steppedAt: never };
  const told = { lifetime: SECOND, within: 0, assumed: false };
  sent(track, 0, turns);
  brought(track, 1_500, told);
  t.is(complaint(track, 1_500, turns), undefined);
  sent(track, 1_500, turns);
  brought(track, 3_000, told);
  t.regex(complaint(track, 3_000, turns) ?? "", /1000 ms too soon after 1 failures/);
});

test("a renewal may have brought a later end if that can't be told for sure: failures count from the next on", (t) => {
  const never = Number.NEGATIVE_INFINITY;
  const turns = { startedAt: never, steppedAt: never };
  const common = { lost: false, share: 1 / 2, blocked: false, lasting: false, rotates: false };
  const fault = { ...common, retryAfter: 0, held: true };
  const after = (told: Told, ms: number) => {
    const track = createTrack();
    for (const at of [0, ms]) {
      sent(track, at, turns);
      brought(track, at + 100, told);
    }
    for (let n = 1; n <= 3; n++) {
      sent(track, HOUR + n * MINUTE, turns);
      failed(track, HOUR + n * MINUTE, fault);
    }
    return complaint(track, HOUR + 3 * MINUTE + 1_500, turns);
  };
  const told = { lifetime: 2 * HOUR, within: 5 * SECOND, assumed: false };
  t.regex(after(told, 3 * SECOND) ?? "", /500 ms too soon after 3 failures/);
  t.regex(after(told, MINUTE) ?? "", /500 ms too soon after 3 failures/);
});

test("what may have brought a later end may be forced, and what surely did not may not", (t) => {
  const never = Number.NEGATIVE_INFINITY;
  const turns = { startedAt: never, steppedAt: never };
  const after = (gained: number) => {
    const track = createTrack();
    for (const at of [0, 3 * SECOND]) {
      sent(track, at, turns);
      const lifetime = 2 * HOUR + (at && gained - at);
      brought(track, at + 100, { lifetime, within: 5 * SECOND, assumed: false });
    }
    forced(track, 4 * SECOND);
    return complaint(track, 4 * SECOND, turns);
  };
  t.is(after(3 * SECOND), undefined);
  t.regex(after(-3 * SECOND) ?? "", /100 ms too soon after 1 failures/);
});

test("the judge sees a credential in use that was forgotten", async (t) => {
  const { world, account } = await inUse(t);
  await world.run(30 * MINUTE);
  audit(world, account);
  t.is(world.tally.violationCount, 0);
  world.daemon?.registry.delete(account.name);
  await world.run(2 * HOUR);
  audit(world, account);
  t.regex(world.tally.violations[0] ?? "", /forgotten; asked for 120 min ago/);
});

test("with a new secret and no token yet, a restart may forget who asked, and nothing else may", async (t) => {
  const { world, account } = await inUse(t);
  const secrets = { [SECRET_FIELD[account.kind.grant]]: "another" };
  world.network.offlineUntil = world.clock.truth + HOUR;
  const amended = world.credential(account).update(account.settings, { secrets });
  world.stir();
  await world.run(world.clock.truth + SECOND);
  await amended;
  account.enter({ secret: "another", family: undefined }, world.clock.truth);
  await world.run(world.clock.truth + MINUTE);
  ask(world, account, {});
  await world.settle();
  await world.run(world.clock.truth + 10 * MINUTE);
  world.kill();
  world.start();
  await world.run(4 * HOUR);
  audit(world, account);
  t.deepEqual(world.tally.violations, []);
  account.mendedAt = Number.NEGATIVE_INFINITY;
  audit(world, account);
  t.regex(world.tally.violations[0] ?? "", /forgotten; asked for 238 min ago/);
});

test("requests that join a renewal in the queue are one step of its back-off", async (t) => {
  const world = new World({ seed: 3, credentials: 100, length: 0 });
  t.teardown(() => world.kill());
  world.start();
  await world.settle();
  const host = world.hosts[0]!;
  const live = ({ kind }: Account) =>
    kind.grant === "client_credentials" && kind.lifetime >= 86_400;
  const here = world.accounts.filter((one) => one.host === host && live(one));
  const [account, ...others] = here.slice(0, 5);
  t.is(others.length, 4);
  ask(world, account!, {});
  await world.run(MINUTE);
  host.apiBrokenUntil = HOUR;
  for (const other of others) ask(world, other, {});
  await world.settle();
  for (let n = 0; n < 3; n++) ask(world, account!, {});
  await world.run(MINUTE + 3 * SECOND);
  t.is(account!.rejections, 1);
  await world.run(MINUTE + 30 * SECOND);
  ask(world, account!, {});
  await world.run(2 * MINUTE);
  t.is(account!.rejections, 2);
  t.deepEqual(world.tally.violations, []);
});

test("after a reboot a token is as old as the wall clock says, and in the same boot as it is", async (t) => {
  const { world, account } = await inUse(t);
  const { clock } = world;
  const track = account.track("");
  const { told } = track;
  const startAgain = async (after: () => void) => {
    world.kill();
    after();
    world.start();
    await world.settle();
    return Math.round((told - track.told) / SECOND);
  };
  t.is(await startAgain(() => clock.stepWall(30 * MINUTE)), 0);
  t.is(await startAgain(() => clock.reboot()), 30 * 60);
  t.deepEqual(world.tally.violations, []);
});

test("tokens of one scope are not forgotten for those of another", async (t) => {
  const { account, issued } = await inUse(t);
  const truth = account.tokens.get(issued.accessToken)!;
  for (let n = 0; n < 100; n++) account.remember(`token-${n}`, { ...truth, variant: "read" });
  t.true(account.tokens.has(issued.accessToken));
  t.deepEqual([account.tokens.has("token-0"), account.tokens.has("token-99")], [false, true]);
});

test("a token that came with another refresh token is good once that is sealed", async (t) => {
  const world = new World({ seed: 3, credentials: 100, length: 0 });
  t.teardown(() => world.kill());
  world.start();
  await world.settle();
  const account = world.accounts.find(({ kind }) => kind.rotates && kind.lifetime >= 3_600)!;
  ask(world, account, {});
  await world.run(MINUTE);
  t.true(world.hasGood(account, ""));
  const vault = world.disk.open(() => true);
  void vault.write(account.name, vault.read(account.name)!, { durable: true });
  t.false(world.hasGood(account, ""));
  await world.run(2 * MINUTE);
  t.true(world.hasGood(account, ""));
});
