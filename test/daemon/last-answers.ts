/** The daemon's end while a rotating refresh token is unanswered. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { sealedRecord } from "../../bench/helpers/sealed-record.ts";
import { connect } from "../../src/client.ts";
import { GRACE, LastAnswers, LONGEST_STAY } from "../../src/daemon/last-answers.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;

/** A real daemon with a request under way that has spent `refresh-0`; nobody waits for it. */
async function startBusy(t: ExecutionContext) {
  const reuse = await startReuseIssuer(t);
  const daemon = await startDaemon(t);
  const client = connect({ socket: daemon.socket });
  const params = {
    name: "slow",
    grant: "refresh_token",
    settings: { token_url: reuse.issuer.url, client_id: "me", client_auth: "none" },
    secrets: { refresh_token: "refresh-0" },
  };
  const added = client.request("credentials/add", params).catch(() => {});
  await until(() => reuse.waiting === 1);
  client.close();
  await added;
  const sealed = ({ stateDir }: Daemon) => sealedRecord(join(stateDir, "vault"), "slow");
  return { reuse, daemon, sealed };
}

/** Whether it has ended by now. */
const hasEnded = ({ ended }: Daemon) => Promise.race([ended.then(() => true), sleep(0, false)]);

test("told to end while a refresh token is unanswered, the daemon stays for the answer and seals it", async (t) => {
  const { reuse, daemon, sealed } = await startBusy(t);
  process.kill(daemon.pid, "SIGTERM");
  await sleep(GRACE + 1_500);
  t.false(await hasEnded(daemon));
  t.true(
    (await t.throwsAsync(connect({ socket: daemon.socket }).request("status", {}))) instanceof
      Error,
  );
  reuse.answer();
  const { code, stderr } = await daemon.ended;
  t.is(code, 0);
  t.regex(stderr, /waiting for the issuer's answer to the refresh token of slow, at most 11\d s/);
  t.deepEqual(reuse.arrived, ["refresh-0"]);
  t.is(sealed(daemon).secrets.refresh_token, "refresh-1");
  t.is(sealed(daemon).rotation?.intent, undefined);
});

test("a second signal, later than the first, gives the answer up; the next start tries once more", async (t) => {
  const { reuse, daemon, sealed } = await startBusy(t);
  reuse.grace = true;
  process.kill(daemon.pid, "SIGTERM");
  // npm and the like pass one signal on twice.
  process.kill(daemon.pid, "SIGINT");
  await sleep(1_200);
  t.false(await hasEnded(daemon));
  process.kill(daemon.pid, "SIGTERM");
  const { code, stderr } = await daemon.ended;
  t.is(code, 0);
  t.regex(stderr, /slow: authd ends without the issuer's answer/);
  t.deepEqual(sealed(daemon).rotation?.intent, {});
  await until(() => reuse.waiting === 0);
  reuse.holding = false;
  await startDaemon(t, { home: daemon });
  await until(() => sealed(daemon).secrets.refresh_token === "refresh-1");
  t.deepEqual(reuse.arrived, ["refresh-0", "refresh-0"]);
  t.deepEqual(reuse.sentTwice, []);
});

async function setup(t: ExecutionContext) {
  const reuse = await startReuseIssuer(t);
  const engine = await startTestRegistry(t);
  const file = { grant: "refresh_token", token_url: reuse.issuer.url, client_auth: "none" };
  const credential = await engine.add(
    "slow",
    { ...file, client_id: "me" },
    { refresh_token: "refresh-0" },
  );
  const ask = (want: object) =>
    Promise.resolve(credential.token(want)).then(
      () => "token",
      ({ reason }) => reason as string,
    );
  const notices: number[] = [];
  const lastAnswers = new LastAnswers({
    ...{ clock: engine.clock, registry: engine.registry, log: engine.log },
    notifier: { status: () => true, extend: (ms) => notices.push(ms) > 0 },
  });
  return { reuse, ...engine, ask, notices, lastAnswers };
}

test("what waits for its turn when the daemon ends is not sent any more", async (t) => {
  const { reuse, clock, vault, ask, notices, lastAnswers } = await setup(t);
  void ask({});
  await until(() => reuse.waiting === 1);
  const second = ask({ scope: "another", forceRefresh: true });
  const over = lastAnswers.wait(clock.monotonic());
  for (const ms of [GRACE, 10 * SECOND, 10 * SECOND]) {
    clock.advance(ms);
    await sleep(50);
  }
  reuse.answer();
  await over;
  t.is(await second, "shutting_down");
  t.deepEqual(reuse.arrived, ["refresh-0"]);
  t.is(vault.read("slow")?.secrets.refresh_token, "refresh-1");
  t.true(notices.length >= 3);
});

test("an issuer that does not answer keeps the daemon for 120 s, no longer", async (t) => {
  const { reuse, clock, ask, lastAnswers, errors } = await setup(t);
  clock.advance(SECOND);
  void ask({});
  await until(() => reuse.waiting === 1);
  clock.advance(SECOND);
  let isOver = false;
  const over = lastAnswers.wait(clock.monotonic() - SECOND).then(() => {
    isOver = true;
  });
  clock.advance(GRACE);
  await sleep(50);
  clock.advance(LONGEST_STAY - GRACE - 1_500);
  await sleep(50);
  t.false(isOver);
  clock.advance(500);
  await over;
  t.regex(errors.join(), /slow: authd ends without the issuer's answer/);
});
