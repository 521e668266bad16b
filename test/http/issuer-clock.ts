import test from "ava";
import { IssuerClocks } from "../../src/http/issuer-clock.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const START = Date.parse("2030-01-01T00:00:00Z");
const ORIGIN = "https://issuer.example";

/** An issuer's clock as its responses tell it; `time` is this machine's. */
function setup({ ahead = 0 } = {}) {
  const time = {
    wall: START,
    boot: 50 * SECOND,
    now: () => ({ wall: time.wall, boot: time.boot }),
  };
  const clocks = new IssuerClocks(time);
  let offset = START + ahead - time.boot;
  const pass = (ms: number) => {
    time.wall += ms;
    time.boot += ms;
  };
  /** What the issuer shows, whatever this machine's clock says. */
  const issuerNow = () => offset + time.boot;
  /** A response whose `Date` is `staleBy` old when it is made, after `tookMs`. */
  const respond = ({
    connection = {},
    reused = false,
    staleBy = 0,
    tookMs = 0,
    origin = ORIGIN,
  }) => {
    const sent = time.now();
    pass(tookMs);
    const headers = { date: new Date(issuerNow() - staleBy).toUTCString() };
    const told = clocks.observe(origin, { headers, connection, reused }, sent);
    return { ...told, error: (told?.assumed ?? Number.NaN) - (issuerNow() - tookMs) };
  };
  const setIssuer = (ms: number) => {
    offset += ms;
  };
  return { clocks, time, pass, respond, setIssuer };
}

test("an issuer that agrees with the local clock is read on the local clock", (t) => {
  const { respond, pass, clocks } = setup();
  for (let i = 0; i < 20; i++) {
    t.is(respond({ tookMs: 150 }).error, 0);
    pass(3_210);
  }
  t.false(clocks.wantsFreshConnection(ORIGIN));
});

test("an issuer with another clock is read on its own, and asked over new connections", (t) => {
  for (const ahead of [295 * SECOND, -295 * SECOND]) {
    const { respond, pass, clocks } = setup({ ahead });
    for (let i = 0; i < 20; i++) {
      const { error } = respond({ tookMs: 150 });
      t.true(Math.abs(error) <= SECOND, `${error}`);
      t.true(clocks.wantsFreshConnection(ORIGIN));
      pass(3_210);
    }
    // With time the whole seconds of `Date` tell where the second begins.
    t.true(Math.abs(respond({ tookMs: 150 }).error) <= 250);
    t.false(clocks.wantsFreshConnection("https://other.example"));
  }
});

test("an answer that takes long, once, does not blur what is known", (t) => {
  for (const ahead of [0, 295 * SECOND]) {
    const { respond, pass } = setup({ ahead });
    t.true(respond({ tookMs: 9 * SECOND }).error <= 9 * SECOND);
    for (let i = 0; i < 5; i++) {
      pass(3_210);
      respond({});
    }
    t.true(Math.abs(respond({ tookMs: 9 * SECOND }).error) <= 2 * SECOND);
  }
});

test("an answer for which the machine slept tells of its own token alone", (t) => {
  for (const ahead of [0, 295 * SECOND, -295 * SECOND]) {
    const { respond, pass } = setup({ ahead });
    const { error } = respond({ tookMs: 20 * MINUTE });
    t.true(error >= -SECOND && error <= 20 * MINUTE);
    pass(3_210);
    t.true(Math.abs(respond({}).error) <= SECOND);
    respond({ tookMs: 20 * MINUTE });
    t.true(Math.abs(respond({}).error) <= SECOND);
  }
});

test("a Date that stands still counts once, one that advances counts again", (t) => {
  const { respond, pass, clocks, setIssuer } = setup({ ahead: 20 * SECOND });
  const [still, running] = [{}, {}];
  respond({ connection: still });
  respond({ connection: running });
  for (let age = 1; age <= 30; age++) {
    pass(SECOND);
    const { error } = respond({ connection: still, reused: true, staleBy: age * SECOND });
    t.true(Math.abs(error) <= SECOND, `after ${age} s: ${error}`);
    respond({ connection: running, reused: true });
  }
  t.true(clocks.wantsFreshConnection(ORIGIN));
  // Only a running one can show that the clock was set back.
  setIssuer(-10 * SECOND);
  for (let age = 31; age <= 60; age++) {
    pass(SECOND);
    respond({ connection: still, reused: true, staleBy: age * SECOND });
  }
  t.true(respond({ connection: still, reused: true, staleBy: MINUTE }).error > 9 * SECOND);
  const fresh = {};
  respond({ connection: fresh });
  pass(6 * SECOND);
  t.true(Math.abs(respond({ connection: fresh, reused: true }).error) <= SECOND);
});

test("a Date behind a server that repeats others' is believed only while nothing says more", (t) => {
  // Something in between keeps its own connections to such a server: a first response may be stale, too.
  const { respond, pass } = setup({ ahead: 295 * SECOND });
  respond({});
  for (let i = 1; i < 20; i++) {
    pass(7 * SECOND);
    const { error } = respond({ staleBy: i * 7 * SECOND });
    t.true(Math.abs(error) <= SECOND, `${error}`);
  }
});

test("a clock set ahead is believed at once, one set back with a second witness", (t) => {
  const { respond, pass, setIssuer } = setup({ ahead: 295 * SECOND });
  respond({});
  setIssuer(10 * MINUTE);
  pass(SECOND);
  t.true(Math.abs(respond({}).error) <= SECOND);
  setIssuer(-30 * MINUTE);
  pass(SECOND);
  t.true(respond({}).error > 29 * MINUTE);
  pass(6 * SECOND);
  t.true(Math.abs(respond({}).error) <= SECOND);
});

test("a clock set back to the local one is believed at once", (t) => {
  const { respond, pass, setIssuer } = setup({ ahead: 295 * SECOND });
  respond({});
  setIssuer(-295 * SECOND);
  pass(SECOND);
  t.is(respond({}).error, 0);
});

test("steps of the local clock change nothing of what is known", (t) => {
  const { respond, pass, time } = setup();
  respond({});
  for (const by of [3_600 * SECOND, -7_200 * SECOND, 3_600 * SECOND]) {
    time.wall += by;
    pass(4_321);
    t.true(Math.abs(respond({}).error) <= SECOND);
  }
});

test("without a Date what is known counts on, and nothing is known of who never told any", (t) => {
  const { respond, pass, clocks, time } = setup({ ahead: 295 * SECOND });
  const silent = { headers: {}, connection: {}, reused: false };
  t.is(clocks.observe(ORIGIN, silent, time.now()), undefined);
  respond({});
  pass(MINUTE);
  const told = clocks.observe(ORIGIN, silent, time.now());
  t.true(Math.abs((told?.assumed ?? 0) - (time.wall + 295 * SECOND)) <= SECOND);
  const odd = { ...silent, headers: { date: "yesterday" } };
  t.is(clocks.observe("https://other.example", odd, time.now()), undefined);
});

test("of very many issuers the least recently used are forgotten", (t) => {
  const { respond, clocks, time } = setup({ ahead: 295 * SECOND });
  const silent = { headers: {}, connection: {}, reused: false };
  for (let i = 0; i < 1_100; i++) {
    respond({ origin: `https://issuer-${i}.example` });
    respond({ origin: "https://busy.example" });
  }
  const isKnown = (origin: string) => clocks.observe(origin, silent, time.now()) !== undefined;
  t.true(isKnown("https://busy.example"));
  t.true(isKnown("https://issuer-1099.example"));
  t.false(isKnown("https://issuer-0.example"));
});

test("the local clock is compared with every issuer that told its time", (t) => {
  const { clocks, respond } = setup();
  t.deepEqual(clocks.compare(), { issuers: 0 });
  respond({});
  t.deepEqual(clocks.compare(), { issuers: 1 });
  const late = setup({ ahead: 5 * MINUTE });
  late.respond({});
  const { issuers, apart } = late.clocks.compare();
  t.is(issuers, 1);
  t.is(apart?.issuer, ORIGIN);
  t.true(Math.abs((apart?.aheadMs ?? 0) + 5 * MINUTE) <= 2 * SECOND);
});

test("a `Date` that may be stale is no older than its connection: a clock a year ahead is not taken for right", (t) => {
  const YEAR = 365 * 24 * 60 * MINUTE;
  for (const ahead of [-YEAR, -170 * SECOND]) {
    const { respond, pass, clocks, time } = setup({ ahead });
    const connection = {};
    const silent = { headers: {}, connection, reused: false };
    t.is(clocks.observe(ORIGIN, silent, time.now()), undefined);
    pass(20 * SECOND);
    const { error } = respond({ connection, reused: true });
    t.true(error >= -SECOND && error <= 20 * SECOND, `${error}`);
    t.true(clocks.wantsFreshConnection(ORIGIN));
  }
});
