/**
 * The real daemon under clocks that go wrong. What is valid is said by the practice issuers, whose
 * own truth runs on a clock that nobody touches.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import { type Client, connect } from "../../src/client.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { elsewhen, FAKETIME } from "../helpers/faketime.ts";
import { missing, onLinux as test } from "../helpers/optional.ts";
import { startTimedIssuer, type TimedIssuer, type Told } from "../helpers/timed-issuer.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;

const ABSENT = "faketime is not installed (Debian: faketime)";

/** One client for each class of lifetimes. */
const CLASSES = {
  seconds: { lifetime: 6 },
  "seconds-jwt": { lifetime: 6, claims: ["exp", "iat"] },
  "seconds-rotating": { lifetime: 6, session: 1_800 },
  hour: { lifetime: 3_600 },
  "hour-jwt": { lifetime: 3_600, claims: ["exp"] },
  month: { lifetime: 30 * 86_400 },
  century: { lifetime: 3_122_063_999 },
} as const satisfies Record<string, Told>;
type Class = keyof typeof CLASSES;
const NAMES = Object.keys(CLASSES) as Class[];
const SHORT = NAMES.filter((name) => name.startsWith("seconds"));
const LONG = NAMES.filter((name) => !name.startsWith("seconds"));

/** How faketime is told a step, and how far it puts the wall clock off, ms. */
const STEPS = [
  ["+3601s", HOUR + SECOND],
  ["+0s", 0],
  ["-3600s", -HOUR],
  ["+365d", YEAR],
  ["-365d", -YEAR],
  ["-0s", 0],
] as const;

/** A token of 6 s is renewed after this (ms) or later: a JWT's may have lost a second before it came. */
const QUICKEST = 1_900;

/** Requests for tokens so far, by class. */
function counts(issuer: TimedIssuer): Partial<Record<Class, number>> {
  return Object.fromEntries(NAMES.map((name) => [name, issuer.asked(name)]));
}

/** Short tokens are renewed again and again, and each step may cost one renewal more, but no storm. */
async function checkPace(
  t: ExecutionContext,
  issuer: TimedIssuer,
  startedAt: number,
  steps: number,
): Promise<void> {
  await until(() => SHORT.every((name) => issuer.asked(name) >= 2));
  const most = (performance.now() - startedAt) / QUICKEST + steps + 2;
  for (const name of SHORT) t.true(issuer.asked(name) <= most, `${name}: ${issuer.asked(name)}`);
}

function clientOf(t: ExecutionContext, socket: string): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

/** Adds all of an issuer's clients as credentials, and asks once for each. */
async function addAll(client: Client, issuer: TimedIssuer, names: readonly string[]) {
  for (const name of names) {
    await client.request("credentials/add", issuer.credential(name));
    await client.getToken({ credential: name });
  }
}

/** Asks; fails the test if what comes had run out before it was asked for. */
async function ask(t: ExecutionContext, client: Client, issuer: TimedIssuer, credential: string) {
  const at = performance.now();
  const { accessToken, expiresAt } = await client.getToken({ credential });
  const left = issuer.left(accessToken, at);
  if (left <= 0) t.fail(`${credential}: a token that ended ${-left} ms ago`);
  return { accessToken, expiresAt };
}

/** Asks for all of them again and again, until it is ended. */
function keepAsking(
  t: ExecutionContext,
  client: Client,
  issuer: TimedIssuer,
  names: readonly string[],
) {
  let isOver = false;
  let count = 0;
  const done = (async () => {
    while (!isOver) {
      await Promise.all(names.map((name) => ask(t, client, issuer, name)));
      count += names.length;
      await sleep(50);
    }
  })();
  return async () => {
    isOver = true;
    await done;
    return count;
  };
}

const use = (client: Client, { origin }: TimedIssuer, credential: string, method = "GET") =>
  client.authorizedRequest({ credential, url: `${origin}/`, method });

test("stopped for longer than tokens live, it answers with a new one: to who had asked meanwhile, and to 16 at once", async (t) => {
  const issuer = await startTimedIssuer(t, { clients: { a: { lifetime: 6 }, b: { lifetime: 6 } } });
  const { socket, pid } = await startDaemon(t);
  const clients = Array.from({ length: 16 }, () => clientOf(t, socket));
  await addAll(clients[0]!, issuer, ["a", "b"]);
  await Promise.all(clients.map((client) => client.request("status", {})));
  // Connections to the API that it will have closed when they are wanted again.
  for (const name of ["a", "b"]) await use(clients[0]!, issuer, name, "POST");

  process.kill(pid, "SIGSTOP");
  const before = issuer.asked("a");
  const queued = clients.slice(0, 8).map((client) => client.getToken({ credential: "a" }));
  const requests = [
    use(clients[8]!, issuer, "a"),
    use(clients[9]!, issuer, "b"),
    use(clients[10]!, issuer, "b", "POST"),
  ];
  await sleep(7_000);
  const continuedAt = performance.now();
  process.kill(pid, "SIGCONT");
  const atOnce = clients.map((client) => client.getToken({ credential: "a" }));
  const tokens = await Promise.all([...queued, ...atOnce]);
  t.true(tokens.every(({ accessToken }) => issuer.left(accessToken, continuedAt) > 0));
  for (const { status } of await Promise.all(requests)) t.is(status, 200);
  t.is(issuer.refused, 0);
  t.is(issuer.asked("a") - before, 1, "one request for all");
});

test("stopped while an answer of the issuer's is on its way, it asks once more instead of failing", async (t) => {
  const issuer = await startTimedIssuer(t, { clients: { a: { lifetime: 4 } } });
  const { socket, pid } = await startDaemon(t);
  const client = clientOf(t, socket);
  let release = () => {};
  issuer.hold(
    new Promise<void>((resolve) => {
      release = resolve;
    }),
  );
  const added = client.request("credentials/add", issuer.credential("a"));
  await until(() => issuer.asked("a") === 1);
  process.kill(pid, "SIGSTOP");
  release();
  issuer.hold(undefined);
  await sleep(4_500);
  const continuedAt = performance.now();
  process.kill(pid, "SIGCONT");
  t.is((await added).failureCount, 0);
  const { accessToken } = await client.getToken({ credential: "a" });
  t.true(issuer.left(accessToken, continuedAt) > 0);
  t.is((await use(client, issuer, "a")).status, 200);
});

test("the wall clock is stepped by an hour and by a year, both ways, while it runs", async (t) => {
  if (!FAKETIME) return missing(t, ABSENT);
  const issuer = await startTimedIssuer(t, { clients: CLASSES });
  const { set, start } = elsewhen(t);
  const client = clientOf(t, (await start()).socket);
  const startedAt = performance.now();
  await addAll(client, issuer, NAMES);
  const end = keepAsking(t, client, issuer, SHORT);
  for (const [text, offset] of STEPS) {
    set(text);
    for (const name of LONG) {
      const lifetime = CLASSES[name].lifetime * SECOND;
      const { expiresAt } = await ask(t, client, issuer, name);
      // By the daemon's clock, and the very first answer after the step included.
      const left = (expiresAt ?? 0) - (Date.now() + offset);
      t.true(left > lifetime - MINUTE && left < lifetime + 2 * SECOND, `${name}: ${left} ms`);
      const info = await client.request("credentials/show", { credential: name });
      t.is(info.state, "ready");
      t.true((info.lastRefreshAt ?? 0) <= Date.now() + offset + SECOND, name);
    }
    await sleep(600);
  }
  const count = await end();
  const asked = counts(issuer);
  t.log(`${count} answers; requests for tokens:`, asked);
  await checkPace(t, issuer, startedAt, STEPS.length);
  // One for each step that puts the clock past the end of what there was, and none for those back.
  const { hour, "hour-jwt": jwt, month, century } = asked;
  t.deepEqual({ hour, jwt, month, century }, { hour: 3, jwt: 3, month: 2, century: 1 });
});

for (const rate of ["1.05", "0.95"]) {
  test(`a wall clock that runs at ${rate} of its speed changes nothing`, async (t) => {
    if (!FAKETIME) return missing(t, ABSENT);
    const issuer = await startTimedIssuer(t, { clients: CLASSES });
    const { set, start } = elsewhen(t);
    set(`+0 x${rate}`);
    const client = clientOf(t, (await start()).socket);
    const startedAt = performance.now();
    await addAll(client, issuer, NAMES);
    const end = keepAsking(t, client, issuer, NAMES);
    await sleep(8_000);
    await end();
    const asked = counts(issuer);
    await checkPace(t, issuer, startedAt, 0);
    for (const name of LONG) t.is(asked[name], 1, name);
  });
}

for (const [what, time, end] of [
  ["begins", "@2027-03-28 01:59:57", "2027-03-28T00:59:57Z"],
  // Of the two that there are of it, faketime takes either: both are before the change's end.
  ["ends", "@2026-10-25 01:59:57", "2026-10-24T23:59:57Z"],
] as const) {
  test(`nothing happens when daylight saving time ${what}`, async (t) => {
    if (!FAKETIME) return missing(t, ABSENT);
    const issuer = await startTimedIssuer(t, { clients: CLASSES });
    const { home, set, start } = elsewhen(t);
    const zone = { TZ: "Europe/Berlin" };
    const setAt = performance.now();
    set(time);
    const client = clientOf(t, (await start(zone)).socket);
    const startedAt = performance.now();
    const { startedAt: told } = await client.request("status", {});
    // A busy machine may take long to start it.
    const lateMs = told - Date.parse(end);
    const waitedMs = performance.now() - setAt;
    t.true(lateMs > -10 * SECOND && lateMs < waitedMs + SECOND, new Date(told).toISOString());
    await addAll(client, issuer, NAMES);
    const expiries: number[] = [];
    const stop = keepAsking(t, client, issuer, SHORT);
    while (performance.now() - startedAt < 5_000) {
      expiries.push((await ask(t, client, issuer, "hour")).expiresAt ?? 0);
      await sleep(50);
    }
    await stop();
    const { stdout } = await home.cli(["show", "hour", "--json"], { env: zone });
    expiries.push(JSON.parse(stdout).expiresAt);
    t.true(Math.max(...expiries) - Math.min(...expiries) < 2 * SECOND);
    const asked = counts(issuer);
    await checkPace(t, issuer, startedAt, 0);
    for (const name of LONG) t.is(asked[name], 1, name);
  });
}

test("the wall clock is stepped by an hour and by a year, both ways, while it does not run", async (t) => {
  if (!FAKETIME) return missing(t, ABSENT);
  const issuer = await startTimedIssuer(t, { clients: CLASSES });
  const { set, start } = elsewhen(t);
  let daemon = await start();
  let client = clientOf(t, daemon.socket);
  await addAll(client, issuer, NAMES);
  for (const [text] of STEPS) {
    await daemon.stop();
    client.close();
    set(text);
    const before = counts(issuer);
    daemon = await start();
    client = clientOf(t, daemon.socket);
    // In use before, so renewed although nobody has asked this daemon yet.
    if (text === "+365d")
      await until(() => SHORT.every((name) => issuer.asked(name) > (before[name] ?? 0)));
    for (const name of NAMES) await ask(t, client, issuer, name);
    for (const { name, state } of (await client.request("credentials/list", {})).credentials)
      t.true(state === "ready" || state === "refreshing", `${name} is ${state} at ${text}`);
  }
  const asked = counts(issuer);
  t.log("requests for tokens:", asked);
  const { hour, "hour-jwt": jwt, month, century } = asked;
  t.deepEqual({ hour, jwt, month, century }, { hour: 3, jwt: 3, month: 2, century: 1 });
});

test("an issuer's clock may be five minutes off, in either direction", async (t) => {
  const { socket } = await startDaemon(t);
  const client = clientOf(t, socket);
  const sides = [5 * MINUTE, -5 * MINUTE].flatMap((ahead) => [
    { ahead, date: true },
    { ahead, date: false },
  ]);
  await Promise.all(sides.map((side) => useIssuerThatIsOff(t, client, side)));
});

async function useIssuerThatIsOff(
  t: ExecutionContext,
  client: Client,
  { ahead, date }: { ahead: number; date: boolean },
): Promise<void> {
  const startedAt = performance.now();
  const side = `${ahead > 0 ? "ahead" : "behind"}-${date ? "dated" : "undated"}`;
  const clients: Record<string, Told> = {
    [`told-${side}`]: { lifetime: 6 },
    [`both-${side}`]: { lifetime: 6, claims: ["exp", "iat"] },
    // Without a Date nothing tells how far its clock is off.
    ...(date ? { [`exp-${side}`]: { lifetime: 6, claims: ["exp"] } } : {}),
  };
  const names = Object.keys(clients);
  const issuer = await startTimedIssuer(t, { clients, ahead, date });
  await addAll(client, issuer, names);
  const end = keepAsking(t, client, issuer, names);
  for (let round = 0; round < 12; round++) {
    for (const name of names) t.is((await use(client, issuer, name)).status, 200, name);
    await sleep(500);
  }
  await end();
  const elapsed = performance.now() - startedAt;
  for (const name of names) {
    const info = await client.request("credentials/show", { credential: name });
    t.is(info.failureCount, 0, name);
    t.true(issuer.asked(name) <= elapsed / QUICKEST + 2, `${name}: ${issuer.asked(name)}`);
  }
  t.is(issuer.refused, 0, side);
}
