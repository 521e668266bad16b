import test, { type ExecutionContext } from "ava";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { refreshRotating } from "../../src/credential/rotation.ts";
import type { TokenResponse } from "../../src/credential/token.ts";
import { AuthdError, type IssuerContact } from "../../src/errors.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

/**
 * An issuer that rotates, and revokes the whole family when a spent token comes again, unless it
 * comes within its grace: then it answers as it did before.
 */
class Rotating {
  current = "refresh-0";
  revoked = false;
  /** Spent tokens are forgiven. */
  grace = false;
  #count = 0;
  #last: StubResponse | undefined;

  answer(refreshToken: string | null): StubResponse {
    if (this.revoked) return refused;
    if (refreshToken !== this.current) {
      if (this.grace && this.#last && refreshToken === `refresh-${this.#count - 1}`)
        return this.#last;
      this.revoked = true;
      return refused;
    }
    this.current = `refresh-${++this.#count}`;
    this.#last = {
      json: {
        access_token: `token-${this.#count}`,
        refresh_token: this.current,
        token_type: "Bearer",
        expires_in: 3600,
      },
    };
    return this.#last;
  }
}

const refused: StubResponse = { status: 400, json: { error: "invalid_grant" } };

async function setup(
  t: ExecutionContext,
  record: Partial<CredentialRecord> = {},
  more: Record<string, unknown> = {},
) {
  const rotating = new Rotating();
  /** What goes wrong with answers, one entry each; they are lost after the issuer rotated. */
  const faults: ("reset" | "stall" | number | "garbage")[] = [];
  const issuer = await startIssuer(t, (seen, response) => {
    const fault = faults.shift();
    if (fault === 503) return { status: 503, body: "" };
    const answer = rotating.answer(seen.form.get("refresh_token"));
    if (fault === "reset") response.socket?.destroy();
    if (fault === "reset" || fault === "stall") return undefined;
    if (fault === "garbage") return { status: 200, body: "<html>oops" };
    return typeof fault === "number" ? { status: fault, body: "bad gateway" } : answer;
  });
  const engine = await startTestRegistry(t);
  const file = {
    grant: "refresh_token",
    token_url: issuer.url,
    client_id: "app",
    client_auth: "none",
    ...more,
  };
  const start = () => engine.add("demo", file, { refresh_token: "refresh-0" }, record);
  return { rotating, faults, issuer, engine, start };
}

const sealedToken = (record: CredentialRecord | undefined) => record?.secrets.refresh_token;

test("the new refresh token is sealed before anybody gets the access token", async (t) => {
  const { engine, start } = await setup(t);
  const credential = await start();
  for (let i = 1; i <= 5; i++) {
    const { accessToken } = await credential.token(i === 1 ? {} : { forceRefresh: true });
    t.is(accessToken, `token-${i}`);
    t.is(sealedToken(engine.vault.read("demo")), `refresh-${i}`);
    engine.clock.advance(2 * SECOND);
  }
});

test("the next refresh token of an answer without a usable access token is sealed, and the spent one not sent again", async (t) => {
  const { engine, issuer, rotating, start } = await setup(t, {}, { response: { token: "/typo" } });
  const credential = await start();
  const error = await t.throwsAsync(async () => credential.token({}), { instanceOf: AuthdError });
  t.regex(error!.message, /no token at response\.token = "\/typo"/);
  t.false(JSON.stringify({ ...error }).includes("refresh-1"));
  t.is(sealedToken(engine.vault.read("demo")), "refresh-1");
  t.is(engine.vault.read("demo")?.rotation?.intent, undefined);
  await t.throwsAsync(credential.refresh(30 * SECOND));
  t.is(issuer.requests.length, 2);
  t.false(rotating.revoked);
  t.is(sealedToken(engine.vault.read("demo")), "refresh-2");
});

test("an intent is sealed before a refresh token is spent", async (t) => {
  const { engine, faults, issuer, start } = await setup(t);
  const credential = await start();
  faults.push("stall");
  void Promise.resolve(credential.token({})).catch(() => {});
  await until(() => issuer.requests.length === 1);
  t.deepEqual(engine.vault.read("demo")?.rotation?.intent, {});
  t.is(sealedToken(engine.vault.read("demo")), "refresh-0");
});

/** A renewal is due, and the disk does not take its intent. */
async function stageOnBrokenDisk(t: ExecutionContext) {
  const { engine, issuer, start } = await setup(t);
  const credential = await start();
  await credential.token({});
  await until(() => (engine.vault.read("demo")?.tokens.length ?? 0) > 0);
  engine.vault.broken = new Error("no room on the disk");
  engine.clock.advance(50 * 60 * SECOND);
  await until(() => credential.info().failureCount > 0);
  return { engine, issuer, credential };
}

test("while the disk takes no intent, the refresh token is not spent and the access token served", async (t) => {
  const { engine, issuer, credential } = await stageOnBrokenDisk(t);
  t.is((await credential.token({})).accessToken, "token-1");
  t.is(issuer.requests.length, 1);
  t.is(credential.state(), "failing");
  t.regex(credential.info().lastError?.message ?? "", /disk/);
  t.is(credential.unsaved?.atRisk, "tokens");
  t.is(engine.vault.read("demo")?.rotation?.intent, undefined, "it was not spent");
  engine.vault.broken = undefined;
  engine.clock.advance(5 * SECOND);
  await until(() => credential.unsaved === undefined);
  engine.clock.advance(300 * SECOND);
  await until(() => issuer.requests.length === 2 && credential.state() === "ready");
  t.is(sealedToken(engine.vault.read("demo")), "refresh-2");
});

test("a disk that is not mended until the access token has all but run out does not keep authd from renewing it", async (t) => {
  const { engine, issuer, credential } = await stageOnBrokenDisk(t);
  for (let left = 600; left > 0 && issuer.requests.length === 1; left -= 5) {
    engine.clock.advance(5 * SECOND);
    await until(() => credential.pendingRefreshes === 0);
  }
  t.is(issuer.requests.length, 2);
  t.is((await credential.token({})).accessToken, "token-2");
  t.is(credential.unsaved?.atRisk, "secrets");
  t.is(sealedToken(engine.vault.read("demo")), "refresh-1");
  engine.vault.broken = undefined;
  engine.clock.advance(5 * SECOND);
  await until(() => credential.unsaved === undefined);
  t.is(sealedToken(engine.vault.read("demo")), "refresh-2");
});

test("a token that is no use to its caller is renewed, whatever the disk says", async (t) => {
  const { engine, issuer, start } = await setup(t);
  const credential = await start();
  await credential.token({});
  engine.clock.advance(2 * SECOND);
  engine.vault.broken = new Error("no room on the disk");
  t.is((await credential.token({ forceRefresh: true })).accessToken, "token-2");
  engine.clock.advance(5 * SECOND);
  t.is((await credential.token({ rejectedToken: "token-2" })).accessToken, "token-3");
  await credential.refresh(10_000);
  t.is(issuer.requests.length, 4);
  t.is(credential.unsaved?.atRisk, "secrets");
});

test("what an API refused does not wait for the disk, whoever tries next", async (t) => {
  const { engine, issuer, credential } = await stageOnBrokenDisk(t);
  await t.throwsAsync(async () => credential.token({ rejectedToken: "token-1" }));
  t.is(issuer.requests.length, 1);
  // The timer is there before the caller.
  engine.clock.advance(5 * SECOND);
  await until(() => issuer.requests.length === 2);
  t.is((await credential.token({ rejectedToken: "token-1" })).accessToken, "token-2");
});

test("nor does it matter that the renewal was under way already, and could have waited", async (t) => {
  const { engine, issuer, start } = await setup(t);
  const credential = await start();
  await credential.token({});
  await until(() => (engine.vault.read("demo")?.tokens.length ?? 0) > 0);
  const release = engine.vault.hold();
  engine.clock.advance(50 * 60 * SECOND);
  t.is(credential.pendingRefreshes, 1);
  const asked = credential.token({ rejectedToken: "token-1" });
  engine.vault.broken = new Error("no room on the disk");
  release();
  t.is((await asked).accessToken, "token-2");
  t.is(issuer.requests.length, 2);
});

for (const fault of ["reset", 502, 504, "garbage"] as const) {
  test(`an answer lost (${fault}) after the issuer rotated is asked for once more at once, within its grace`, async (t) => {
    const { rotating, faults, issuer, start } = await setup(t);
    rotating.grace = true;
    faults.push(fault);
    const credential = await start();
    t.is((await credential.token({})).accessToken, "token-1");
    t.is(issuer.requests.length, 2);
    t.is(credential.state(), "ready");
  });
}

test("without a grace a lost answer costs the session, and says that a person must log in", async (t) => {
  const { faults, start, issuer } = await setup(t);
  faults.push("reset");
  const credential = await start();
  await t.throwsAsync(async () => credential.token({}), { message: /demo/ });
  t.is(credential.state(), "login_required");
  t.is(issuer.requests.length, 2);
});

test("503 and 429 spend nothing: ordinary back-off, no second try at once", async (t) => {
  const { engine, faults, issuer, start, rotating } = await setup(t);
  faults.push(503);
  const credential = await start();
  await t.throwsAsync(async () => credential.token({}));
  t.is(issuer.requests.length, 1);
  t.is(credential.state(), "failing");
  t.is(rotating.current, "refresh-0");
  engine.clock.advance(6 * SECOND);
  await until(() => credential.state() === "ready");
});

test("two answers lost in a row: what there is gets used up first", async (t) => {
  const { engine, faults, issuer, rotating, start } = await setup(t);
  rotating.grace = true;
  const credential = await start();
  await credential.token({});
  engine.clock.advance(2 * SECOND);
  faults.push("reset", "reset");
  await t.throwsAsync(async () => credential.token({ forceRefresh: true }));
  t.is(issuer.requests.length, 3);
  t.is((await credential.token({})).accessToken, "token-1");
  engine.clock.advance(0.9 * HOUR);
  t.is((await credential.token({})).accessToken, "token-1");
  t.is(issuer.requests.length, 3);
  engine.clock.advance(0.1 * HOUR);
  await until(() => credential.state() === "ready");
  t.is((await credential.token({})).accessToken, "token-2");
});

test("an open intent found at start is tried once, at once, although nobody asks", async (t) => {
  const { issuer, start } = await setup(t, { rotation: { intent: {}, worked: false } });
  const credential = await start();
  await until(() => credential.state() === "ready");
  t.is(issuer.requests.length, 1);
});

test("the previous token is tried once if the current one was refused and never worked", async (t) => {
  const { issuer, rotating, engine, start } = await setup(t, {
    secrets: { refresh_token: "lost-by-the-issuer" },
    rotation: { previous: "refresh-0", worked: false },
  });
  issuer.answer(({ form }) =>
    form.get("refresh_token") === "lost-by-the-issuer"
      ? refused
      : rotating.answer(form.get("refresh_token")),
  );
  const credential = await start();
  t.is((await credential.token({})).accessToken, "token-1");
  t.is(sealedToken(engine.vault.read("demo")), "refresh-1");
});

test("a token that worked before is not replaced by an older one", async (t) => {
  const { issuer, start } = await setup(t, {
    secrets: { refresh_token: "worked" },
    rotation: { previous: "refresh-0", worked: true },
  });
  issuer.answer(refused);
  const credential = await start();
  await t.throwsAsync(async () => credential.token({}));
  t.is(issuer.requests.length, 1);
  t.is(credential.state(), "login_required");
});

test("an answer without a refresh token keeps the old one", async (t) => {
  const { engine, issuer, start } = await setup(t);
  issuer.answer({ json: { access_token: "a", token_type: "Bearer", expires_in: 60 } });
  const credential = await start();
  await credential.token({});
  t.is(sealedToken(engine.vault.read("demo")), "refresh-0");
  t.true(engine.vault.read("demo")?.rotation?.worked);
});

test("two scopes of one credential spend the refresh token one after the other", async (t) => {
  const { rotating, start, issuer } = await setup(t);
  const credential = await start();
  const scopes = ["a", "b", "c", "d"];
  const tokens = await Promise.all(scopes.map(async (scope) => credential.token({ scope })));
  t.is(new Set(tokens.map(({ accessToken }) => accessToken)).size, 4);
  t.is(issuer.requests.length, 4);
  t.false(rotating.revoked);
});

test("a refresh token that runs out is renewed in time, although nobody asks", async (t) => {
  const { engine, issuer, start } = await setup(t);
  let count = 0;
  issuer.answer(() => ({
    json: {
      access_token: `token-${++count}`,
      refresh_token: `refresh-${count}`,
      token_type: "Bearer",
      expires_in: 300,
      refresh_expires_in: 86_400,
    },
  }));
  const credential = await start();
  await credential.token({});
  // Half a day of warmth, then silence.
  engine.clock.advance(13 * HOUR);
  await until(() => credential.state() !== "refreshing");
  const before = issuer.requests.length;
  for (let hour = 0; hour < 48; hour++) {
    engine.clock.advance(HOUR);
    await until(() => credential.state() !== "refreshing");
  }
  t.true(issuer.requests.length - before >= 2);
  t.true(issuer.requests.length - before <= 4);
});

test("a session with a fixed end is not renewed again and again towards it", async (t) => {
  const { engine, issuer, start } = await setup(t);
  const end = engine.clock.wall() + 24 * HOUR;
  issuer.answer(() => ({
    json: {
      access_token: "token",
      token_type: "Bearer",
      expires_in: 300,
      refresh_expires_in: Math.floor((end - engine.clock.wall()) / SECOND),
    },
  }));
  const credential = await start();
  await credential.token({});
  engine.clock.advance(13 * HOUR);
  await until(() => credential.state() !== "refreshing");
  const before = issuer.requests.length;
  for (let minute = 0; minute < 600; minute++) {
    engine.clock.advance(60 * SECOND);
    await until(() => credential.state() !== "refreshing");
  }
  t.true(issuer.requests.length - before <= 2);
});

test("a refresh token entered while a refresh is under way is kept", async (t) => {
  const { engine, issuer, start } = await setup(t);
  let release = () => {};
  issuer.answer((_seen, response) => {
    release = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          access_token: "old",
          refresh_token: "rotated",
          token_type: "Bearer",
          expires_in: 60,
        }),
      );
    };
    return undefined;
  });
  const credential = await start();
  const asked = Promise.resolve(credential.token({}));
  await until(() => issuer.requests.length === 1);
  await credential.update(credential.settings, { secrets: { refresh_token: "entered" } });
  release();
  await asked;
  t.is(sealedToken(engine.vault.read("demo")), "entered");
});

/** Spends `record`'s refresh token at an issuer that answers with these, one a try. */
async function spendWith(record: CredentialRecord, answers: (TokenResponse | AuthdError)[]) {
  const tried: string[] = [];
  const sealed: (CredentialRecord | undefined)[] = [];
  const result = await refreshRotating({
    record,
    secret: "refresh_token",
    token: record.secrets.refresh_token ?? "",
    target: {},
    bootId: "boot-1",
    seal: async () => {
      sealed.push(structuredClone(record));
      return true;
    },
    canWait: () => true,
    isCurrent: () => true,
    attempt: async (token) => {
      tried.push(token);
      const answer = answers.shift();
      if (answer === undefined || answer instanceof AuthdError) throw answer;
      return answer;
    },
  }).catch((error: AuthdError) => error);
  return { result, tried, sealed };
}

const failing = (contact: IssuerContact) =>
  new AuthdError("issuer_unavailable", "demo: no token", { contact });
const lost = () => failing({ sent: true, answered: false });
const unsent = () => failing({ sent: false, answered: false });
const busy = () => failing({ sent: true, answered: true });
const refusedGrant = () =>
  new AuthdError("login_required", "demo: refused", {
    contact: { sent: true, answered: true },
    oauth: { error: "invalid_grant", status: 400 },
  });
const won = (refreshToken?: string): TokenResponse => {
  const moment = { wall: 1_900_000_000_000, boot: 1_000 };
  const acquired = { accessToken: "a", tokenType: "Bearer", ...(refreshToken && { refreshToken }) };
  return { acquired, sent: moment, answered: moment };
};
const record = (more: Partial<CredentialRecord> = {}): CredentialRecord => ({
  secrets: { refresh_token: "current" },
  binding: "",
  tokens: [],
  ...more,
});

for (const [what, second] of Object.entries({ unsent, busy })) {
  test(`after a lost answer the intent stays although the second try was ${what}: the token may be spent`, async (t) => {
    const spent = record();
    const { tried } = await spendWith(spent, [lost(), second()]);
    t.deepEqual(tried, ["current", "current"]);
    t.deepEqual(spent.rotation?.intent, {});
    const again = await spendWith(spent, [unsent()]);
    t.is(again.tried.length, 1);
    t.deepEqual(spent.rotation?.intent, {}, "as long as no answer tells");
    await spendWith(spent, [won("next")]);
    t.is(spent.rotation?.intent, undefined);
    t.is(spent.secrets.refresh_token, "next");
  });
}

test("nothing sent, nothing spent: no intent stays", async (t) => {
  const spent = record();
  const { sealed } = await spendWith(spent, [unsent()]);
  t.deepEqual(sealed[0]?.rotation?.intent, {});
  t.is(spent.rotation?.intent, undefined);
});

test("a refusal settles what a lost answer left open", async (t) => {
  const spent = record({ rotation: { worked: true } });
  const { result } = await spendWith(spent, [lost(), refusedGrant()]);
  t.is((result as AuthdError).reason, "login_required");
  t.is(spent.rotation?.intent, undefined);
});

test("the previous token is kept for another time if the issuer was busy when it was tried", async (t) => {
  const spent = record({ rotation: { previous: "before", worked: false } });
  const first = await spendWith(spent, [refusedGrant(), busy()]);
  t.deepEqual(first.tried, ["current", "before"]);
  t.is((first.result as AuthdError).reason, "issuer_unavailable");
  const second = await spendWith(spent, [refusedGrant(), won("next")]);
  t.deepEqual(second.tried, ["current", "before"]);
  t.is(spent.secrets.refresh_token, "next");
});

test("the previous token is tried once", async (t) => {
  const spent = record({ rotation: { previous: "before", worked: false } });
  const first = await spendWith(spent, [refusedGrant(), refusedGrant()]);
  t.is((first.result as AuthdError).reason, "login_required");
  const second = await spendWith(spent, [refusedGrant()]);
  t.deepEqual(second.tried, ["current"]);
});

test("a scope that waits for its turn spends no newly entered token at the address of before", async (t) => {
  const { engine, issuer, start } = await setup(t);
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  const credential = await start();
  const first = credential.token({ scope: "a" });
  const second = credential.token({ scope: "b" });
  await until(() => issuer.requests.length === 1);
  const elsewhere = await startIssuer(t, {
    json: { access_token: "of-the-new", token_type: "Bearer", expires_in: 60 },
  });
  const settings = engine.settings("demo", {
    grant: "refresh_token",
    token_url: elsewhere.url,
    client_id: "app",
    client_auth: "none",
  });
  await credential.update(settings, { secrets: { refresh_token: "entered" } });
  held.release({ access_token: "of-the-old", token_type: "Bearer", expires_in: 60 });
  t.is((await first).accessToken, "of-the-old");
  t.is((await second).accessToken, "of-the-new");
  t.is(issuer.requests.length, 1);
  t.deepEqual(
    elsewhere.requests.map(({ form }) => form.get("refresh_token")),
    ["entered"],
  );
});

test("a token that rotates while another secret is being sealed is not lost", async (t) => {
  const { engine, issuer, start } = await setup(t);
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  const credential = await start();
  const asked = credential.token({});
  await until(() => issuer.requests.length === 1);
  const release = engine.vault.hold();
  const settings = engine.settings("demo", {
    grant: "refresh_token",
    token_url: issuer.url,
    client_id: "app",
    client_auth: "post",
  });
  const amended = credential.update(settings, { secrets: { client_secret: "x" } });
  held.release({ access_token: "a", refresh_token: "rotated", token_type: "Bearer" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  release();
  await Promise.all([amended, asked]);
  t.deepEqual(engine.vault.read("demo")?.secrets, {
    refresh_token: "rotated",
    client_secret: "x",
  });
  t.is(engine.vault.read("demo")?.binding, settings.binding);
});
