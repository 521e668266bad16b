/** Secrets that an issuer replaces, under any name: entered by a person, or brought by a sign-in. */
import test, { type ExecutionContext } from "ava";
import { adminOf, agreed } from "../helpers/admin.ts";
import { type Issuer, type StubResponse, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;

/** Signs in with the password "pw", and takes each refresh token once. */
class Sessions {
  /** `login`, or the refresh token that came. */
  readonly seen: string[] = [];
  current = "";
  readonly passwords = new Set(["pw"]);
  /** The next answer is lost after the token was taken. */
  losesNext = false;
  #count = 0;

  answer(path: string, body: string): StubResponse | undefined {
    const sent = JSON.parse(body) as { password?: string; refresh?: string };
    this.seen.push(path === "/login" ? "login" : (sent.refresh ?? ""));
    const isGood =
      path === "/login" ? this.passwords.has(sent.password ?? "") : sent.refresh === this.current;
    if (!isGood) return { status: 401, json: { message: "no such session" } };
    this.current = `practice-refresh-${++this.#count}`;
    if (this.losesNext) {
      this.losesNext = false;
      return undefined;
    }
    return { json: { token: `token-${this.#count}`, refresh: this.current, expires_in: 3600 } };
  }
}

async function setup(t: ExecutionContext) {
  const sessions = new Sessions();
  const issuer = await startIssuer(t, ({ path, body }, response) => {
    const answer = sessions.answer(path, body);
    if (!answer) response.socket?.destroy();
    return answer;
  });
  return { sessions, issuer, engine: await startTestRegistry(t) };
}

const response = { token: "/token", expires_in: "/expires_in" };

/** A session that a person enters: each renewal replaces it. */
const entered = ({ origin }: Issuer) => ({
  grant: "exchange",
  secrets: ["session"],
  request: { url: `${origin}/refresh`, json: { refresh: "{secret.session}" } },
  rotates: { session: "/refresh" },
  response,
});

/** A sign-in whose refresh token renews what comes after it. */
const signedIn = ({ origin }: Issuer) => ({
  grant: "exchange",
  secrets: ["password"],
  request: { url: `${origin}/login`, json: { password: "{secret.password}" } },
  renew: { url: `${origin}/refresh`, json: { refresh: "{secret.refresh}" } },
  rotates: { refresh: "/refresh" },
  response,
});

test("a rotating secret of any name is sealed before its token is handed out, and sent once", async (t) => {
  const { sessions, issuer, engine } = await setup(t);
  sessions.current = "practice-refresh-0";
  const secrets = { session: "practice-refresh-0" };
  const credential = await engine.add("demo", entered(issuer), secrets);
  t.is((await credential.token({})).accessToken, "token-1");
  t.is(engine.vault.read("demo")?.secrets.session, "practice-refresh-1");
  engine.clock.advance(5 * SECOND);
  await credential.token({ forceRefresh: true });
  t.deepEqual(sessions.seen, ["practice-refresh-0", "practice-refresh-1"]);
  const restarted = await engine.restart();
  const again = restarted.registry.add(restarted.settings("demo", entered(issuer)));
  restarted.clock.advance(5 * SECOND);
  await again.token({ forceRefresh: true });
  t.is(sessions.seen.at(-1), "practice-refresh-2");
});

test("a lost answer is followed by one more request with the same secret, at once", async (t) => {
  const { sessions, issuer, engine } = await setup(t);
  sessions.current = "practice-refresh-0";
  sessions.losesNext = true;
  const secrets = { session: "practice-refresh-0" };
  const credential = await engine.add("demo", entered(issuer), secrets);
  await t.throwsAsync(async () => credential.token({}));
  t.deepEqual(sessions.seen, ["practice-refresh-0", "practice-refresh-0"]);
});

test("a sign-in's refresh token renews, and where it is refused a sign-in follows at once", async (t) => {
  const { sessions, issuer, engine } = await setup(t);
  const credential = await engine.add("demo", signedIn(issuer), { password: "pw" });
  t.is((await credential.token({})).accessToken, "token-1");
  t.is(engine.vault.read("demo")?.secrets.refresh, "practice-refresh-1");
  engine.clock.advance(5 * SECOND);
  t.is((await credential.token({ forceRefresh: true })).accessToken, "token-2");
  sessions.current = "gone";
  engine.clock.advance(5 * SECOND);
  t.is((await credential.token({ forceRefresh: true })).accessToken, "token-3");
  t.deepEqual(sessions.seen, ["login", "practice-refresh-1", "practice-refresh-2", "login"]);
  t.is(credential.info().failureCount, 0);
  t.is(engine.vault.read("demo")?.secrets.refresh, "practice-refresh-3");
});

test("another password ends the session that the old one began", async (t) => {
  const { sessions, issuer, engine } = await setup(t);
  const credential = await engine.add("demo", signedIn(issuer), { password: "pw" });
  await credential.token({});
  sessions.passwords.add("new");
  await credential.update(credential.settings, { secrets: { password: "new" } });
  t.is(credential.record.secrets.refresh, undefined);
  engine.clock.advance(5 * SECOND);
  await credential.token({ forceRefresh: true });
  t.deepEqual(sessions.seen, ["login", "login"]);
});

test("a password grant with refresh_url renews with the refresh token of its sign-in", async (t) => {
  const issuer = await startIssuer(t, ({ form, path }) => ({
    json: {
      access_token: `${path} ${form.get("grant_type")}`,
      refresh_token: "practice-r1",
      refresh_expires_in: 60,
    },
  }));
  const engine = await startTestRegistry(t);
  const file = {
    grant: "password",
    token_url: issuer.url,
    refresh_url: `${issuer.origin}/refresh`,
    username: "me",
  };
  const credential = await engine.add("demo", file, { password: "pw" });
  t.is((await credential.token({})).accessToken, "/token password");
  const info = credential.info();
  t.not(info.refreshTokenExpiresAt, undefined);
  t.is(info.refreshTokenWarningAt, undefined, "a sign-in follows its end");
  t.true((info.refreshAt ?? 0) - engine.clock.wall() > 60 * SECOND, "nothing is renewed for it");
  engine.clock.advance(5 * SECOND);
  const { accessToken } = await credential.token({ forceRefresh: true });
  t.is(accessToken, "/refresh refresh_token");
  t.is(issuer.requests[1]!.form.get("refresh_token"), "practice-r1");
  t.false(issuer.requests[1]!.form.has("password"));
});

test("the limit of a token request is that of all steps together", async (t) => {
  const engine = await startTestRegistry(t);
  const issuer = await startIssuer(t, ({ path }) => {
    if (path === "/first") engine.clock.advance(8 * SECOND);
    return path === "/first" ? { json: { nonce: "n" } } : undefined;
  });
  const file = {
    grant: "exchange",
    steps: [
      { url: `${issuer.origin}/first`, take: { nonce: "/nonce" } },
      { url: `${issuer.origin}/second`, text: "{nonce}" },
    ],
    response,
  };
  const credential = await engine.add("demo", file, {});
  const asked = t.throwsAsync(async () => credential.token({}));
  await until(() => issuer.requests.length === 2);
  engine.clock.advance(3 * SECOND);
  await until(() => credential.info().failureCount === 1);
  t.regex(credential.info().lastError?.message ?? "", /did not answer completely within 2 s/);
  await asked;
});

test("a password entered beside one that works is tried by a sign-in, not with the old session", async (t) => {
  const { sessions, issuer, engine } = await setup(t);
  const { admin } = adminOf(engine);
  const { grant, ...settings } = signedIn(issuer);
  const { signal } = new AbortController();
  const secrets = { password: "pw" };
  await admin.add({ name: "demo", grant, settings, secrets }, signal, agreed);
  await admin
    .set({ credential: "demo", secrets: { password: "wrong" } }, signal, agreed)
    .catch(() => {});
  t.deepEqual(sessions.seen.slice(0, 2), ["login", "login"]);
  const credential = engine.registry.get("demo");
  t.like(credential.record.secrets, { password: "pw", refresh: "practice-refresh-1" });
  sessions.passwords.add("new");
  await admin.set({ credential: "demo", secrets: { password: "new" } }, signal, agreed);
  await until(() => credential.record.secrets.password === "new");
  t.is(credential.record.secrets.refresh, "practice-refresh-2");
  t.false(sessions.seen.includes("practice-refresh-1"));
});

/** A session whose renewal replaces it with its first answer, and brings the token with its second. */
async function stageInSteps(
  t: ExecutionContext,
  second: (session: string) => StubResponse | undefined,
) {
  const seen: string[] = [];
  let current = "practice-refresh-0";
  const engine = await startTestRegistry(t);
  /** What was sealed when the second request came. */
  const sealed: (string | undefined)[] = [];
  const issuer = await startIssuer(t, ({ path, body }, answer) => {
    const sent = JSON.parse(body) as { session: string };
    seen.push(`${path} ${sent.session}`);
    if (path === "/second") {
      sealed.push(engine.vault.read("demo")?.secrets.session);
      const answered = second(sent.session);
      if (!answered) answer.socket?.destroy();
      return answered;
    }
    if (sent.session !== current) return { status: 400, json: { error: "invalid_grant" } };
    current = `practice-refresh-${Number(current.at(-1)) + 1}`;
    return { json: { next: current } };
  });
  const file = {
    grant: "exchange",
    secrets: ["session"],
    steps: [
      {
        url: `${issuer.origin}/first`,
        json: { session: "{secret.session}" },
        take: { sid: "/next" },
      },
      { url: `${issuer.origin}/second`, json: { session: "{sid}" } },
    ],
    rotates: { session: "/next" },
    response,
  };
  const credential = await engine.add("demo", file, { session: "practice-refresh-0" });
  return { credential, engine, seen, sealed };
}

test("the next secret may come with any answer of a sequence, and is sealed before the next request", async (t) => {
  const { credential, engine, seen, sealed } = await stageInSteps(t, (session) => ({
    json: { token: `token-of-${session}`, expires_in: 3600 },
  }));
  t.is((await credential.token({})).accessToken, "token-of-practice-refresh-1");
  engine.clock.advance(5 * SECOND);
  t.is((await credential.token({ forceRefresh: true })).accessToken, "token-of-practice-refresh-2");
  t.is(engine.vault.read("demo")?.secrets.session, "practice-refresh-2");
  t.deepEqual(sealed, ["practice-refresh-1", "practice-refresh-2"]);
  t.deepEqual(
    seen.filter((each) => each.startsWith("/first")),
    ["/first practice-refresh-0", "/first practice-refresh-1"],
  );
});

const failures: Record<string, StubResponse | undefined> = {
  "is lost": undefined,
  "is refused": { status: 401, json: { message: "not now" } },
  "is refused in OAuth's words": { status: 400, json: { error: "invalid_grant" } },
  "has no token": { json: { other: 1 } },
};

for (const [how, failure] of Object.entries(failures)) {
  test(`a secret that was replaced is not lost where the request after it ${how}`, async (t) => {
    let isFailing = true;
    const { credential, engine, seen } = await stageInSteps(t, () =>
      isFailing ? failure : { json: { token: "good", expires_in: 3600 } },
    );
    await t.throwsAsync(async () => credential.token({}));
    t.is(engine.vault.read("demo")?.secrets.session, "practice-refresh-1");
    t.is(engine.vault.read("demo")?.rotation?.intent, undefined);
    t.is(seen.length, 2);
    isFailing = false;
    engine.clock.advance(60 * SECOND);
    await credential.refresh(10 * SECOND);
    t.is((await credential.token({})).accessToken, "good");
    t.is(seen[2], "/first practice-refresh-1");
    t.is(engine.vault.read("demo")?.secrets.session, "practice-refresh-2");
  });
}

/** A session that the API lost: it still takes the one before. */
async function stageLost(t: ExecutionContext, refusal: StubResponse, more: object = {}) {
  const seen: string[] = [];
  const issuer = await startIssuer(t, ({ body }) => {
    const { refresh } = JSON.parse(body) as { refresh: string };
    seen.push(refresh);
    if (refresh !== "before") return refusal;
    return { json: { token: "good", refresh: "after", expires_in: 3600 } };
  });
  const engine = await startTestRegistry(t);
  const rotation = { previous: "before", worked: false };
  const file = { ...entered(issuer), ...more };
  const credential = await engine.add("demo", file, { session: "lost" }, { rotation });
  return { credential, engine, seen };
}

test("an API's own refusal of a secret that never worked is followed by the one before", async (t) => {
  const refusal = { status: 409, json: { code: "SESSION_UNKNOWN" } };
  const rejected_on = [{ status: 409 }];
  const { credential, engine, seen } = await stageLost(t, refusal, { rejected_on });
  t.is((await credential.token({})).accessToken, "good");
  t.deepEqual(seen, ["lost", "before"]);
  t.is(engine.vault.read("demo")?.secrets.session, "after");
});

test("of refusals that are final only when repeated, the third is followed by the one before", async (t) => {
  const { credential, engine, seen } = await stageLost(t, { status: 401 });
  await t.throwsAsync(async () => credential.token({}));
  for (let waits = 0; waits < 30 && seen.at(-1) === "lost"; waits++) {
    engine.clock.advance(10 * SECOND);
    await until(() => credential.pendingRefreshes === 0);
  }
  t.is((await credential.token({})).accessToken, "good");
  t.deepEqual(seen, ["lost", "lost", "lost", "before"]);
});

test("a place where no answer has the next secret is told", async (t) => {
  const { sessions, issuer, engine } = await setup(t);
  sessions.current = "practice-refresh-0";
  const told = (name: string) => engine.registry.get(name).info().notes?.[0]?.message ?? "";
  const wrong = { ...signedIn(issuer), rotates: { refresh: "/typo" } };
  const obtained = await engine.add("obtained", wrong, { password: "pw" });
  await obtained.token({});
  t.regex(told("obtained"), /anything at rotates\.refresh = "\/typo", so each renewal signs in/);
  const right = await engine.add("right", signedIn(issuer), { password: "pw" });
  await right.token({});
  t.is(told("right"), "");
  const session = { session: sessions.current };
  const kept = { ...entered(issuer), rotates: { session: "/typo" } };
  const given = await engine.add("given", kept, session);
  await given.token({});
  t.regex(told("given"), /anything at rotates\.session = "\/typo", so the one that was entered/);
});

test("a renewal of several steps that is refused after its secret was replaced is followed by a sign-in", async (t) => {
  const seen: string[] = [];
  const issuer = await startIssuer(t, ({ path }) => {
    seen.push(path);
    if (path === "/token") return { status: 401, json: { message: "no such session" } };
    if (path === "/login") return { json: { token: `token-${seen.length}`, refresh: "one" } };
    return { json: { refresh: `next-${seen.length}` } };
  });
  const engine = await startTestRegistry(t);
  const steps = [
    { url: `${issuer.origin}/refresh`, json: { refresh: "{secret.refresh}" } },
    { url: `${issuer.origin}/token` },
  ];
  const file = { ...signedIn(issuer), renew: { steps } };
  const credential = await engine.add("demo", file, { password: "pw" });
  await credential.token({});
  engine.clock.advance(5 * SECOND);
  t.is((await credential.token({ forceRefresh: true })).accessToken, "token-4");
  t.deepEqual(seen, ["/login", "/refresh", "/token", "/login"]);
  t.is(engine.vault.read("demo")?.secrets.refresh, "one");
});
