/** Answers to a rotating refresh token that take long, at an issuer that ends the session when a spent one comes again. */
import test, { type ExecutionContext } from "ava";
import { OutageIssuer } from "../../bench/outage/issuer.ts";
import { loadConfiguration } from "../../src/config/config.ts";
import type { Configuration } from "../../src/config/settings.ts";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { AuthdError } from "../../src/errors.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

async function setup(t: ExecutionContext, record: Partial<CredentialRecord> = {}) {
  const reuse = await startReuseIssuer(t);
  const engine = await startTestRegistry(t);
  const file = {
    grant: "refresh_token",
    token_url: reuse.issuer.url,
    client_id: "app",
    client_auth: "none",
  };
  const credential = await engine.add("demo", file, { refresh_token: "refresh-0" }, record);
  const sealed = () => engine.vault.read("demo")?.secrets.refresh_token;
  /** A request under way that has spent the refresh token. */
  const asked = (want: object = { forceRefresh: true }) =>
    Promise.resolve().then(() => credential.token(want)) as Promise<IssuedToken>;
  const arrivals = (count: number) => until(() => reuse.arrived.length === count);
  return { reuse, engine, file, credential, sealed, asked, arrivals };
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (error) => error,
  );
  return error instanceof AuthdError ? error.reason : String(error);
}

/** Nothing else is on its way: what was to be sent by now has been. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 50));

for (const seconds of [12, 25, 60, 119]) {
  test(`an answer that takes ${seconds} s is awaited, and the token is sent once`, async (t) => {
    const { reuse, engine, sealed, asked, arrivals, credential } = await setup(t);
    const forced = asked({ forceRefresh: true, timeoutMs: 120 * SECOND });
    const patient = asked({});
    await arrivals(1);
    engine.clock.advance(5 * SECOND);
    t.is(await reasonOf(patient), "issuer_unavailable", "a caller without a token waits for 5 s");
    engine.clock.advance((seconds - 5) * SECOND);
    await quiet();
    t.is(credential.state(), "refreshing");
    reuse.answer();
    t.is((await forced).accessToken, "token-1");
    t.deepEqual(reuse.arrived, ["refresh-0"]);
    t.is(sealed(), "refresh-1");
    t.is(credential.state(), "ready");
    t.is(credential.info().failureCount, 0);
    t.false(reuse.isRevoked);
  });
}

test("after 120 s the connection is ended, and then the token is sent once more", async (t) => {
  const { reuse, engine, sealed, asked, arrivals } = await setup(t);
  reuse.grace = true;
  const forced = asked({ forceRefresh: true, timeoutMs: 200 * SECOND });
  await arrivals(1);
  engine.clock.advance(119.9 * SECOND);
  await quiet();
  t.is(reuse.arrived.length, 1);
  engine.clock.advance(0.1 * SECOND);
  await arrivals(2);
  await until(() => reuse.waiting === 1);
  reuse.answer();
  t.is((await forced).accessToken, "token-1");
  t.deepEqual(reuse.sentTwice, []);
  t.is(sealed(), "refresh-1");
});

test("two in a row that never come: the access token is used up first, and then the tries back off", async (t) => {
  const { reuse, engine, credential, asked, arrivals } = await setup(t);
  reuse.grace = true;
  reuse.holding = false;
  await asked({});
  reuse.holding = true;
  engine.clock.advance(2 * SECOND);
  const forced = reasonOf(asked({ forceRefresh: true, timeoutMs: 500 * SECOND }));
  for (const count of [2, 3]) {
    await arrivals(count);
    engine.clock.advance(120 * SECOND);
  }
  t.is(await forced, "issuer_unavailable");
  for (let left = HOUR - 250 * SECOND; left > 0; left -= 50 * SECOND) {
    engine.clock.advance(50 * SECOND);
    t.is((await asked({})).accessToken, "token-1");
  }
  t.is(reuse.arrived.length, 3);
  t.deepEqual(reuse.sentTwice, []);
  reuse.holding = false;
  engine.clock.advance(60 * SECOND);
  await until(() => credential.state() === "ready");
  t.is((await asked({})).accessToken, "token-2");
});

test("a connection that breaks after a long wait is followed by one more request at once", async (t) => {
  const { reuse, engine, asked, arrivals } = await setup(t);
  reuse.grace = true;
  const forced = asked({ forceRefresh: true, timeoutMs: 120 * SECOND });
  await arrivals(1);
  engine.clock.advance(60 * SECOND);
  reuse.reset();
  // The clock stands still.
  await arrivals(2);
  reuse.answer();
  t.is((await forced).accessToken, "token-1");
  t.deepEqual(reuse.sentTwice, []);
});

test("an issuer that restarts between request and answer gets the token again when it is back", async (t) => {
  const { engine, file } = await setup(t);
  const issuer = new OutageIssuer(HOUR);
  await issuer.listen();
  t.teardown(() => issuer.close().catch(() => {}));
  const settings = { ...file, token_url: `http://127.0.0.1:${issuer.port}/token` };
  const credential = await engine.add("other", settings, { refresh_token: "refresh-0" });
  let unanswered = 0;
  issuer.fault = (response) => {
    unanswered++;
    response.once("close", () => unanswered--);
  };
  const forced = reasonOf(Promise.resolve(credential.token({ forceRefresh: true })));
  await until(() => unanswered === 1);
  engine.clock.advance(12 * SECOND);
  await issuer.close();
  t.is(await forced, "issuer_unavailable");
  t.truthy(engine.vault.read("other")?.rotation?.intent, "the token may be spent");
  issuer.fault = undefined;
  await issuer.listen();
  t.is(unanswered, 0);
  t.is(issuer.arrivals.get("app")?.length, 1);
  // Nothing was sent since: the back-off begins with a second.
  engine.clock.advance(2 * SECOND);
  await until(() => credential.state() === "ready");
  t.is(issuer.arrivals.get("app")?.length, 2);
  t.is(engine.vault.read("other")?.rotation?.intent, undefined);
});

test("requests that take long leave their host's slots to others after 10 s", async (t) => {
  const { reuse, engine, file } = await setup(t);
  const slow = await Promise.all(
    ["a", "b", "c", "d"].map((name) => engine.add(name, file, { refresh_token: `of-${name}` })),
  );
  reuse.grace = true;
  for (const credential of slow) void reasonOf(Promise.resolve(credential.token({})));
  await until(() => reuse.arrived.length === 4);
  const fifth = await engine.add("e", file, { refresh_token: "of-e" });
  void reasonOf(Promise.resolve(fifth.token({})));
  engine.clock.advance(9.9 * SECOND);
  await quiet();
  t.is(reuse.arrived.length, 4);
  engine.clock.advance(0.1 * SECOND);
  await until(() => reuse.arrived.length === 5);
});

test("429 and 503 spend nothing: the token is sent again after the back-off alone", async (t) => {
  for (const status of [429, 503]) {
    const { engine, file } = await setup(t);
    const issuer = await startIssuer(t, { status, headers: { "retry-after": "30" }, body: "" });
    const settings = { ...file, token_url: issuer.url };
    const credential = await engine.add("other", settings, { refresh_token: "refresh-0" });
    t.is(await reasonOf(Promise.resolve(credential.token({}))), "issuer_unavailable");
    engine.clock.advance(29 * SECOND);
    await quiet();
    t.is(issuer.requests.length, 1);
    t.is(credential.record.rotation?.intent, undefined);
  }
});

// ---- what people do meanwhile ----

test("a refresh that a person asks for joins the request under way", async (t) => {
  const { reuse, engine, credential, asked, arrivals } = await setup(t);
  void reasonOf(asked({}));
  await arrivals(1);
  engine.clock.advance(20 * SECOND);
  const refreshed = credential.refresh(100 * SECOND);
  engine.clock.advance(20 * SECOND);
  reuse.answer();
  await refreshed;
  t.deepEqual(reuse.arrived, ["refresh-0"]);
});

test("a setting that is changed meanwhile waits for the answer, and goes on with what it brought", async (t) => {
  const { reuse, engine, file, credential, asked, arrivals, sealed } = await setup(t);
  void reasonOf(asked({}));
  await arrivals(1);
  const settings = engine.settings("demo", { ...file, scope: "another" });
  await credential.update(settings, { secrets: {} });
  const refreshed = credential.refresh(100 * SECOND);
  engine.clock.advance(20 * SECOND);
  await quiet();
  t.is(reuse.arrived.length, 1);
  reuse.answer();
  await arrivals(2);
  reuse.answer();
  await refreshed;
  t.deepEqual(reuse.arrived, ["refresh-0", "refresh-1"]);
  t.is(sealed(), "refresh-2");
});

test("another refresh token that a person enters need not wait for the answer to the one before", async (t) => {
  const { reuse, credential, asked, arrivals, sealed } = await setup(t);
  void reasonOf(asked({}));
  await arrivals(1);
  await credential.update(credential.settings, { secrets: { refresh_token: "refresh-1" } });
  const refreshed = credential.refresh(100 * SECOND);
  await arrivals(2);
  t.deepEqual(reuse.arrived, ["refresh-0", "refresh-1"]);
  reuse.answer();
  reuse.answer();
  await refreshed;
  t.is(sealed(), "refresh-2");
});

test("the same refresh token entered again is not sent again: the answer under way is taken over", async (t) => {
  const { reuse, engine, credential, asked, arrivals, sealed } = await setup(t);
  void reasonOf(asked({}));
  await arrivals(1);
  await credential.update(credential.settings, { secrets: { refresh_token: "refresh-0" } });
  const refreshed = credential.refresh(100 * SECOND);
  engine.clock.advance(25 * SECOND);
  await quiet();
  reuse.answer();
  await refreshed;
  t.deepEqual(reuse.arrived, ["refresh-0"]);
  t.is(sealed(), "refresh-1");
  t.is((await asked({})).accessToken, "token-1");
});

test("removed and added again with the same refresh token, its answer is taken over", async (t) => {
  const { reuse, engine, file, asked, arrivals, sealed } = await setup(t);
  void reasonOf(asked({}));
  await arrivals(1);
  engine.registry.delete("demo");
  await engine.vault.remove("demo");
  const again = await engine.add("demo", file, { refresh_token: "refresh-0" });
  const refreshed = again.refresh(100 * SECOND);
  engine.clock.advance(25 * SECOND);
  await quiet();
  reuse.answer();
  await refreshed;
  t.deepEqual(reuse.arrived, ["refresh-0"]);
  t.is(sealed(), "refresh-1");
  t.is(((await again.token({})) as IssuedToken).accessToken, "token-1");
});

for (const back of ["before", "after"] as const) {
  test(`a file that is gone, and back ${back} the answer, costs nothing`, async (t) => {
    const { reuse, engine, file, asked, arrivals, sealed } = await setup(t);
    const configuration = (names: string[]): Configuration => ({
      ...loadConfiguration({ dir: engine.dir, env: {} }),
      credentials: new Map(names.map((name) => [name, engine.settings(name, file)])),
    });
    const reload = (names: string[]) => engine.registry.apply(configuration(names));
    void reasonOf(asked({}));
    await arrivals(1);
    reload([]);
    t.false(engine.registry.hasLoaded("demo"));
    if (back === "before") reload(["demo"]);
    engine.clock.advance(25 * SECOND);
    reuse.answer();
    await until(() => sealed() === "refresh-1");
    if (back === "after") reload(["demo"]);
    reuse.holding = false;
    const { accessToken } = (await engine.registry.get("demo").token({})) as IssuedToken;
    t.regex(accessToken, /^token-[12]$/);
    t.deepEqual(reuse.sentTwice, []);
    t.false(reuse.isRevoked);
  });
}

test("one that was removed is not sent again when its connection breaks", async (t) => {
  const { reuse, engine, asked, arrivals } = await setup(t);
  void reasonOf(asked({}));
  await arrivals(1);
  engine.registry.delete("demo");
  reuse.reset();
  await quiet();
  t.is(reuse.arrived.length, 1);
});
