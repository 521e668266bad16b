/** Issuers take a one-time code once: authd sends none twice, whoever asks and whatever happens between. */
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { type Issuer, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const KEY = "GEZDGNBVGY3TQOJQ";
const SECOND = 1_000;

/** Takes each code once, and gives tokens that live `lifetime` seconds. */
async function strictIssuer(t: ExecutionContext, lifetime = 3600): Promise<Issuer> {
  const used = new Set<string>();
  return await startIssuer(t, ({ form }) => {
    const code = form.get("otp") ?? "";
    if (used.has(code)) return { status: 401, json: { detail: "Incorrect" } };
    used.add(code);
    return { json: { access_token: `token-${used.size}`, expires_in: lifetime } };
  });
}

const file = (issuer: Issuer) => ({
  grant: "password",
  token_url: issuer.url,
  username: "me",
  send_grant_type: false,
});
const secrets = (otp_secret = KEY) => ({ password: "pw", otp_secret });

async function setup(t: ExecutionContext, { lifetime = 3600, otp = KEY } = {}) {
  const issuer = await strictIssuer(t, lifetime);
  const engine = await startTestRegistry(t);
  const credential = await engine.add("demo", file(issuer), secrets(otp));
  const codes = () => issuer.requests.map(({ form }) => form.get("otp"));
  return { issuer, engine, credential, codes };
}

async function failure(work: Promise<unknown>): Promise<AuthdError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof AuthdError) return error;
  throw error ?? new Error("did not fail");
}

/** Whatever would be sent has been sent by then. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 60));

test("a forced renewal waits for the next code; a caller with less time is told when to come back", async (t) => {
  const { engine, credential, issuer, codes } = await setup(t);
  await credential.token({});
  engine.clock.advance(10 * SECOND);
  const soon = await failure(
    Promise.resolve(credential.token({ forceRefresh: true, timeoutMs: 15 * SECOND })),
  );
  t.like(soon, { reason: "issuer_unavailable", retryAfterMs: 20 * SECOND });
  t.regex(soon.message, /demo: its one-time code was sent already.*in 20 s/);
  const forced = credential.token({ forceRefresh: true, timeoutMs: 30 * SECOND });
  await settled();
  t.is(issuer.requests.length, 1);
  t.is(engine.registry.pendingRefreshes, 0, "nothing that a lock or an end waits for");
  engine.clock.advance(20 * SECOND);
  t.is((await forced).accessToken, "token-2");
  t.is(new Set(codes()).size, 2);
  t.is(credential.info().failureCount, 0);
});

test("a renewal ahead of time waits, and callers get the token that there is at once", async (t) => {
  const { engine, credential, issuer, codes } = await setup(t, { lifetime: 40 });
  await credential.token({});
  engine.registry.tick();
  engine.clock.advance(25 * SECOND);
  await settled();
  t.is(issuer.requests.length, 1, "due after 20 s, and there is no other code before 30 s");
  const { accessToken } = await credential.token({ minValidity: 19 * SECOND });
  t.is(accessToken, "token-1");
  engine.clock.advance(5 * SECOND);
  await until(() => credential.info().refreshCount === 2);
  t.is(new Set(codes()).size, 2);
});

test("other scopes of the credential, and other credentials with the same key, take the next codes", async (t) => {
  const { engine, credential, issuer, codes } = await setup(t);
  const padded = "otpauth://totp/Me?secret=gezd-gnbv-gy3t-qojq";
  const same = await engine.add("same", { ...file(issuer), username: "alias" }, secrets(padded));
  const elsewhere = await strictIssuer(t);
  const other = await engine.add("other", file(elsewhere), secrets());
  const asked = [
    credential.token({}),
    // For longer than a caller waits that does not force it.
    credential.token({ scope: "read", forceRefresh: true }),
    same.token({ forceRefresh: true }),
    other.token({}),
  ];
  await until(() => issuer.requests.length + elsewhere.requests.length === 2);
  await settled();
  t.is(issuer.requests.length, 1, "one for this issuer, one for the other");
  for (const count of [2, 3]) {
    engine.clock.advance(30 * SECOND);
    await until(() => issuer.requests.length === count);
    await settled();
    t.is(issuer.requests.length, count);
  }
  await Promise.all(asked);
  t.is(new Set(codes()).size, 3);
});

test("a code whose answer was lost counts as sent", async (t) => {
  const { engine, credential, issuer, codes } = await setup(t);
  issuer.answer((_seen, response) => void response.socket?.destroy());
  await failure(Promise.resolve(credential.token({})));
  issuer.answer({ json: { access_token: "late", expires_in: 3600 } });
  engine.registry.tick();
  for (let seconds = 1; seconds < 30; seconds++) {
    engine.clock.advance(SECOND);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await settled();
  t.is(issuer.requests.length, 1);
  engine.clock.advance(SECOND);
  await until(() => credential.info().state === "ready");
  t.is(new Set(codes()).size, 2);
});

test("a restart does not forget which code was sent, for this credential and others", async (t) => {
  const { engine, credential, issuer } = await setup(t);
  await engine.add("same", file(issuer), secrets());
  await credential.token({});
  await until(() => engine.vault.read("demo")?.lastRefreshAt !== undefined);
  const check = async (again: TestRegistry, name: string, requests: number) => {
    const known = again.registry.add(again.settings(name, file(issuer)));
    const { reason, retryAfterMs } = await failure(
      Promise.resolve(known.token({ forceRefresh: true, timeoutMs: 10 * SECOND })),
    );
    t.is(reason, "issuer_unavailable", name);
    t.is(retryAfterMs, 20 * SECOND, name);
    t.is(issuer.requests.length, requests, name);
  };
  engine.clock.advance(10 * SECOND);
  const again = await engine.restart();
  await check(again, "demo", 1);
  await check(again, "same", 1);
  // A vault of the version before tells the time of the token alone.
  const { codeSentAt, ...before } = again.vault.read("demo")!;
  t.is(codeSentAt, before.lastRefreshAt);
  await again.vault.write("demo", before, { durable: true });
  await check(await again.restart(), "demo", 1);
});

test("a period of a minute and eight digits hold, and a clock that was set back is no trap", async (t) => {
  const otp = `otpauth://totp/Me?secret=${KEY}&period=60&digits=8`;
  const { engine, credential, issuer, codes } = await setup(t, { otp });
  await credential.token({});
  engine.clock.advance(45 * SECOND);
  const soon = await failure(
    Promise.resolve(credential.token({ forceRefresh: true, timeoutMs: 10 * SECOND })),
  );
  t.is(soon.retryAfterMs, 15 * SECOND);
  engine.clock.advance(15 * SECOND);
  await credential.token({ forceRefresh: true });
  engine.clock.advance(2 * SECOND);
  engine.clock.stepWall(-3600 * SECOND);
  await credential.token({ forceRefresh: true });
  t.is(new Set(codes()).size, 3);
  t.true(codes().every((code) => /^\d{8}$/.test(code ?? "")));
  t.is(issuer.requests.length, 3);
});

test("settings that change while a request waits for a code end its wait", async (t) => {
  const { engine, credential, issuer } = await setup(t);
  await credential.token({});
  engine.clock.advance(5 * SECOND);
  const forced = failure(Promise.resolve(credential.token({ forceRefresh: true })));
  await settled();
  const moved = { ...file(issuer), token_url: `${issuer.origin}/elsewhere` };
  credential.applySettings(engine.settings("demo", moved));
  t.is((await forced).reason, "credential_changed");
  t.is(issuer.requests.length, 1);
});
