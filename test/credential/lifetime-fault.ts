import { createHash } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { acquisitionDigest } from "../../src/credential/token-requests.ts";
import { refreshTokenWarning } from "../../src/observe/problems.ts";
import { addClient, adminOf, agreed } from "../helpers/admin.ts";
import { type Responder, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const ORIGIN = "https://api.example";

/** Answers with tokens `token-1`, `token-2`, … and these members beside each. */
function issuing(members: object): Responder {
  let count = 0;
  return () => ({ json: { access_token: `token-${++count}`, token_type: "bearer", ...members } });
}

async function setup(t: ExecutionContext, members: object) {
  const issuer = await startIssuer(t, issuing(members));
  const engine = await startTestRegistry(t);
  const { signal } = new AbortController();
  const { admin } = adminOf(engine);
  const add = (settings: Record<string, string> = {}) =>
    addClient(admin, { name: "demo", url: issuer.url, settings });
  const set = (settings: Record<string, string>, unset: string[] = []) =>
    admin.set({ credential: "demo", settings, unset }, signal, agreed);
  return { issuer, engine, add, set };
}

async function restarted(engine: TestRegistry): Promise<TestRegistry> {
  const all = engine.registry.all().map(({ settings }) => settings);
  const next = await engine.restart();
  for (const settings of all) next.registry.add(settings);
  return next;
}

test("add says that an hour is assumed, and what says otherwise", async (t) => {
  const { add, engine } = await setup(t, {});
  const info = await add();
  t.is(info.state, "ready");
  t.is(info.expiresAt, null);
  t.is(info.troubles, undefined);
  t.regex(info.notes?.[0]?.message ?? "", /^demo: the issuer tells no lifetime, so 1 h is assumed/);
  t.regex(
    info.notes?.[0]?.help ?? "",
    /authd set demo --set lifetime\.seconds=…, .*lifetime=never/,
  );
  const next = await restarted(engine);
  t.is(next.registry.info("demo").notes?.length, 1);
});

test("a lifetime of one's own silences the note: seconds, never, or ttl", async (t) => {
  for (const [settings, left] of [
    [{ "lifetime.seconds": "600" }, 600 * SECOND],
    [{ lifetime: "never" }, null],
    [{ ttl: "600" }, 600 * SECOND],
    [{ ttl: "600", "lifetime.margin": "60" }, 540 * SECOND],
  ] as const) {
    const { add, engine } = await setup(t, {});
    const info = await add(settings);
    t.is(info.notes, undefined);
    t.is(info.expiresAt, left && engine.clock.wall() + left, JSON.stringify(settings));
  }
});

test("a token that never ends is not renewed by itself, but after a 401", async (t) => {
  const { add, engine, issuer } = await setup(t, { expires_in: 0 });
  await add({ lifetime: "never" });
  engine.clock.advance(300 * DAY);
  const credential = engine.registry.get("demo");
  const issued = await credential.token({});
  t.is(issued.accessToken, "token-1");
  t.is(issuer.requests.length, 1);
  credential.recordAccepted(ORIGIN, issued);
  const renewed = await credential.refreshAfter401(ORIGIN, issued, undefined, {});
  t.is(renewed?.accessToken, "token-2");
  const next = await restarted(engine);
  t.is((await next.registry.get("demo").token({})).accessToken, "token-2");
});

test("a lifetime that can't be read is told by add, and survives a restart", async (t) => {
  const { add, engine } = await setup(t, { expires_in: "30 fortnights" });
  const wanted = {
    reason: "lifetime",
    message: "demo: the issuer's expires_in can't be read; until that is put right, 1 h is assumed",
    help: "authd set demo --set lifetime.seconds=…",
  } as const;
  const info = await add();
  t.is(info.state, "ready");
  t.deepEqual(info.troubles, [wanted]);
  t.is(info.notes, undefined, "said once");
  t.is(
    engine.events.find(({ kind }) => kind === "refreshed")?.message?.slice(0, 24),
    "the issuer's expires_in ",
  );
  const next = await restarted(engine);
  t.deepEqual(next.registry.info("demo").troubles, [wanted]);
  t.is(next.registry.needingAttention().length, 1);
});

test("set with the setting that was named ends the fault", async (t) => {
  const { add, set, engine } = await setup(t, { expires_in: "never" });
  const [trouble] = (await add()).troubles ?? [];
  t.is(trouble?.help, "authd set demo --set lifetime=never");
  await set({ lifetime: "never" });
  t.is(engine.registry.info("demo").troubles, undefined);
  await engine.registry.get("demo").refresh(5 * SECOND);
  t.is(engine.registry.info("demo").troubles, undefined);
  t.is((await engine.registry.get("demo").token({})).answer.expiresAt, null);
});

test("the command takes the place away that a fixed lifetime leaves without effect", async (t) => {
  const { add, set, engine } = await setup(t, { life: "never" });
  const [trouble] = (await add({ "response.expires_in": "life" })).troubles ?? [];
  const help = "authd set demo --set lifetime=never --unset response.expires_in";
  t.is(trouble?.help, help);
  await set({ lifetime: "never" }, ["response.expires_in"]);
  t.is(engine.registry.info("demo").troubles, undefined);
});

test("an issuer that puts it right ends the fault", async (t) => {
  const { add, engine, issuer } = await setup(t, { expires_in: "soon" });
  t.is((await add()).troubles?.length, 1);
  issuer.answer(issuing({ expires_in: 3600 }));
  await engine.registry.get("demo").refresh(5 * SECOND);
  t.is(engine.registry.info("demo").troubles, undefined);
});

test("a token without any time left fails with the setting that mends it", async (t) => {
  const { add, engine } = await setup(t, { expires_in: 0 });
  const info = await add();
  t.is(info.state, "failing");
  const next = "authd set demo --set lifetime=never";
  const why = "the issuer's expires_in (0) leaves the token no time";
  const message = `demo: the issuer gave a token that has already expired: ${why}. Next: ${next}`;
  t.is(info.lastError?.message, message);
  t.deepEqual(
    engine.registry.info("demo").troubles?.map(({ help }) => help),
    [next],
  );
});

test("a margin ends tokens early, and one that is too large is said", async (t) => {
  const { add, engine, set } = await setup(t, { expires_in: 600 });
  const info = await add({ "lifetime.margin": "100" });
  t.is(info.expiresAt, engine.clock.wall() + 500 * SECOND);
  t.is(info.troubles, undefined);
  await set({ "lifetime.margin": "400" });
  await engine.registry.get("demo").refresh(5 * SECOND);
  const later = engine.registry.info("demo");
  t.is(later.expiresAt, engine.clock.wall() + 300 * SECOND);
  t.deepEqual(later.troubles, [
    {
      reason: "lifetime",
      message:
        "demo: lifetime.margin is more than half of the 600 s that a token lives: half of it counts",
      help: "authd set demo --set lifetime.margin=…",
    },
  ]);
});

test("tokens that an API rejects long before their end are a fault, with the time that they held", async (t) => {
  const { add, engine } = await setup(t, { expires_in: 86_400 });
  await add();
  const credential = engine.registry.get("demo");
  const rejectAfter = async (ms: number) => {
    const issued = await credential.token({});
    credential.recordAccepted(ORIGIN, issued);
    engine.clock.advance(ms);
    const next = await credential.refreshAfter401(ORIGIN, issued, undefined, {});
    for (let requests = 0; next && requests < 3; requests++) {
      credential.recordAccepted(ORIGIN, next, issued);
    }
  };
  await rejectAfter(70 * SECOND);
  t.is(engine.registry.info("demo").troubles, undefined, "once may be a coincidence");
  await rejectAfter(60 * SECOND);
  t.deepEqual(engine.registry.info("demo").troubles, [
    {
      reason: "lifetime",
      message:
        "demo: an API rejected 2 tokens in a row long before their end: after 60 s, of 86400 s that they should live (unless another program that signs in as the same user ends them)",
      help: "authd set demo --set lifetime.seconds=60",
    },
  ]);
  await credential.refresh(5 * SECOND);
  t.is(engine.registry.info("demo").troubles, undefined, "the last one was not rejected");
});

test("a rejection that the next token does not end is not about time", async (t) => {
  const { add, engine } = await setup(t, { expires_in: 86_400 });
  await add();
  const credential = engine.registry.get("demo");
  for (let i = 0; i < 3; i++) {
    const issued = await credential.token({});
    credential.recordAccepted(ORIGIN, issued);
    engine.clock.advance(60 * SECOND);
    await credential.refreshAfter401(ORIGIN, issued, undefined, {});
  }
  t.is(engine.registry.info("demo").troubles, undefined);
});

test("without a lifetime, the digest that sealed tokens go by is what it was", async (t) => {
  const { settings } = await startTestRegistry(t);
  const file = { grant: "client_credentials", token_url: "https://issuer.example", client_id: "x" };
  const known = settings("demo", file);
  const before = JSON.stringify([known.grant, known.own, known.fields, known.ca, known.ttl]);
  const digest = createHash("sha256").update(before).digest("base64url");
  t.is(acquisitionDigest(known), digest);
  t.not(acquisitionDigest(settings("demo", { ...file, lifetime: "never" })), digest);
});

// ---- refresh tokens ----

async function rotating(t: ExecutionContext, members: () => object) {
  let count = 0;
  const issuer = await startIssuer(t, () => {
    count++;
    const tokens = { access_token: `token-${count}`, refresh_token: `refresh-${count}` };
    return { json: { ...tokens, token_type: "bearer", expires_in: 3600, ...members() } };
  });
  const engine = await startTestRegistry(t);
  const file = {
    ...{ grant: "refresh_token", token_url: issuer.url },
    ...{ client_id: "app", client_auth: "none" },
  };
  const credential = await engine.add("demo", file, { refresh_token: "refresh-0" });
  const warning = () => refreshTokenWarning(engine.registry.info("demo"), engine.clock.wall());
  return { issuer, engine, credential, warning };
}

test("a hard limit is sealed, and warned of two weeks ahead; the idle limit is renewed before", async (t) => {
  const idle = 30 * DAY;
  let endsAt = 0;
  const { engine, credential, warning, issuer } = await rotating(t, () => ({
    x_refresh_token_expires_in: idle / SECOND,
    x_refresh_token_hard_expires_in: (endsAt - engine.clock.wall()) / SECOND,
  }));
  endsAt = engine.clock.wall() + 90 * DAY;
  await credential.token({});
  const info = engine.registry.info("demo");
  t.is(info.refreshTokenExpiresAt, engine.clock.wall() + idle);
  t.is(info.refreshTokenHardExpiresAt, endsAt);
  t.is(info.refreshTokenWarningAt, endsAt - 14 * DAY);
  t.is(warning(), undefined);
  engine.clock.advance(29 * DAY);
  // Nobody asked for 29 days.
  await until(() => credential.state() !== "refreshing" && issuer.requests.length === 2);
  const next = await restarted(engine);
  const later = next.registry.info("demo");
  t.is(later.refreshTokenHardExpiresAt, endsAt);
  t.is(refreshTokenWarning(later, endsAt - 15 * DAY), undefined);
  t.is(
    refreshTokenWarning(later, endsAt - 13 * DAY),
    "its refresh token ends on 2030-04-01 00:00 UTC, however often it is used",
  );
});

test("an end that no refresh postpones is a hard one, and warned of in its last quarter", async (t) => {
  let endsAt = 0;
  const { engine, credential, warning } = await rotating(t, () => ({
    refresh_expires_in: (endsAt - engine.clock.wall()) / SECOND,
  }));
  endsAt = engine.clock.wall() + 8 * HOUR;
  await credential.token({});
  t.is(engine.registry.info("demo").refreshTokenHardExpiresAt, undefined, "not known yet");
  engine.clock.advance(HOUR / 2);
  await credential.token({ forceRefresh: true });
  const { refreshTokenHardExpiresAt, refreshTokenWarningAt } = engine.registry.info("demo");
  t.is(refreshTokenHardExpiresAt, endsAt);
  t.is(refreshTokenWarningAt, endsAt - 2 * HOUR);
  t.is(warning(), undefined);
  t.is(engine.registry.needingAttention().length, 1, "to be looked at when that time comes");
});

test("an answer that tells nothing of the same refresh token takes nothing back", async (t) => {
  let members: object = { refresh_token: "refresh-0", refresh_expires_in: DAY / SECOND };
  const { engine, credential } = await rotating(t, () => members);
  await credential.token({});
  const { refreshTokenExpiresAt } = engine.registry.info("demo");
  members = { refresh_token: undefined };
  engine.clock.advance(HOUR / 2);
  await credential.token({ forceRefresh: true });
  t.is(engine.registry.info("demo").refreshTokenExpiresAt, refreshTokenExpiresAt);
});

test("the hard end of a refresh token is nobody's concern where authd signs in anew by itself", async (t) => {
  let count = 0;
  const issuer = await startIssuer(t, () => {
    count++;
    const lives = { refresh_token_hard_expires_in: 60, refresh_token_expires_in: 30 };
    return { json: { token: `token-${count}`, refresh: `practice-${count}`, ...lives } };
  });
  const engine = await startTestRegistry(t);
  const file = {
    grant: "exchange",
    secrets: ["pin"],
    request: { url: `${issuer.origin}/login`, json: { pin: "{secret.pin}" } },
    renew: { url: `${issuer.origin}/renew`, json: { session: "{secret.session}" } },
    rotates: { session: "/refresh" },
    response: { token: "/token" },
  };
  const credential = await engine.add("demo", file, { pin: "practice-pin" });
  await credential.token({});
  engine.clock.advance(50 * SECOND);
  const { refreshTokenExpiresAt, refreshTokenHardExpiresAt } = engine.registry.info("demo");
  t.not(refreshTokenExpiresAt, undefined, "it is used before that");
  t.is(refreshTokenHardExpiresAt, undefined);
});
