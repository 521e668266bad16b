import test, { type ExecutionContext } from "ava";
import { HOUR, MINUTE } from "../bench/simulation/faults.ts";
import { connectTo } from "../bench/simulation/network.ts";
import { audit, simulate } from "../bench/simulation/run.ts";
import { World } from "../bench/simulation/world.ts";
import type { IssuedToken } from "../src/credential/issued.ts";

// Thirty days and 10,000 credentials are bench/long-run.ts.
for (const seed of [1, 2]) {
  test(`two simulated days keep every refresh rule (seed ${seed})`, async (t) => {
    const tally = await simulate({ seed, days: 2, credentials: 60 });
    t.deepEqual(tally.violations, []);
    for (const what of ["tokens obtained", "tokens served", "daemon: starts", "machine: slept"]) {
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
  const asked = world.credential(account).token({});
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

test("the judge sees a request that the rules forbid", async (t) => {
  const { world, account } = await inUse(t);
  const send = connectTo(world.network, () => true);
  const url = `https://${account.host.name}/${account.name}/token`;
  void send({ method: "POST", url, headers: {}, body: "grant_type=client_credentials" });
  t.regex(world.tally.violations[0] ?? "", /a request \d+ ms too soon after \d+ ms/);
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
