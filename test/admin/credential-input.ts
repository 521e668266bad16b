/** New secrets: what works stays in force until they have worked, and neither is lost, whenever authd ends. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { problemsOf } from "../../src/observe/problems.ts";
import type { ParamsOf } from "../../src/protocol.ts";
import { adminOf, agreed } from "../helpers/admin.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import {
  type Issuer,
  type RecordedRequest,
  type StubResponse,
  startIssuer,
} from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const OLD = "the-old-secret";
const NEW = "the-new-secret";

/** Takes these secrets, and tells in the token which one it was. */
function taking(...secrets: string[]) {
  return ({ form, headers }: RecordedRequest): StubResponse => {
    const basic = Buffer.from((headers.authorization ?? "").slice("Basic ".length), "base64");
    const secret = form.get("client_secret") ?? basic.toString().split(":")[1] ?? "";
    return secrets.includes(secret)
      ? { json: { access_token: `by-${secret}`, token_type: "bearer", expires_in: 3600 } }
      : { status: 401, json: { error: "invalid_client" } };
  };
}

/** What people do with an engine, and what comes of it. */
function desk(engine: TestRegistry) {
  const { admin } = adminOf(engine);
  const { signal } = new AbortController();
  const credential = () => engine.registry.get("demo");
  return {
    engine,
    admin,
    signal,
    credential,
    file: join(engine.dir, "config", "credentials", "demo.toml"),
    info: () => credential().info(),
    sealed: () => engine.vault.read("demo"),
    set: (more: Omit<ParamsOf<"credentials/set">, "credential">) =>
      admin.set({ credential: "demo", ...more }, signal, agreed),
    enter: (client_secret: string, more: { force?: boolean; discard?: boolean } = {}) =>
      admin.set({ credential: "demo", secrets: { client_secret }, ...more }, signal, agreed),
    refresh: () => admin.refresh("demo", signal),
    token: async () => (await credential().token({})).accessToken,
    /** The daemon ends without a word, and another starts. */
    async again() {
      const next = desk(await engine.restart());
      await next.admin.reload();
      return next;
    },
  };
}

async function setup(t: ExecutionContext) {
  const issuer = await startIssuer(t, taking(OLD));
  const here = desk(await startTestRegistry(t));
  const add = (more: Partial<ParamsOf<"credentials/add">> = {}) =>
    here.admin.add(
      {
        name: "demo",
        grant: "client_credentials",
        settings: { token_url: issuer.url, client_id: "app" },
        secrets: { client_secret: OLD },
        ...more,
      },
      here.signal,
      agreed,
    );
  await add();
  return { issuer, add, ...here };
}

async function failure(work: Promise<unknown>): Promise<AuthdError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof AuthdError) return error;
  throw error ?? new Error("did not fail");
}

test("a new secret that is refused is kept beside the one that works, which stays in use", async (t) => {
  const { enter, issuer, info, sealed, token, again } = await setup(t);
  const refused = await failure(enter("a-typo"));
  t.is(refused.reason, "credential_rejected");
  t.regex(refused.message, /stays in use.*authd refresh demo.*--force.*--discard/s);
  t.is(info().state, "ready");
  t.like(info().candidate, { state: "rejected" });
  t.is(sealed()?.secrets.client_secret, OLD);
  t.is(sealed()?.candidate?.record.secrets.client_secret, "a-typo");
  t.is(await token(), `by-${OLD}`);
  const next = await again();
  t.is(next.info().state, "ready");
  t.like(next.info().candidate, { state: "rejected" });
  t.is(await next.token(), `by-${OLD}`);
  t.is(issuer.requests.length, 2, "what is refused is not tried again by itself");
  issuer.answer(taking(OLD, "a-typo"));
  t.is((await next.refresh()).state, "ready");
  t.is(next.info().candidate, undefined);
  t.is(next.sealed()?.secrets.client_secret, "a-typo");
  t.is(next.sealed()?.candidate, undefined);
  t.is(await next.token(), "by-a-typo");
});

test("a new secret that works takes its place, with the token that it brought", async (t) => {
  const { enter, engine, issuer, info, sealed, token } = await setup(t);
  issuer.answer(taking(NEW));
  const before = engine.events.length;
  const { refreshCount, candidate, expiresAt } = await enter(NEW);
  const told = engine.events.slice(before).filter(({ kind }) => kind === "refreshed");
  t.like(told, { length: 1, 0: { credential: "demo", expiresAt } });
  t.is(refreshCount, 2);
  t.is(candidate, undefined);
  t.is(issuer.requests.length, 2);
  t.is(await token(), `by-${NEW}`);
  t.is(sealed()?.secrets.client_secret, NEW);
  t.is(info().state, "ready");
});

test("while the issuer can't be had, the old one stays, and the new one is tried until it has worked", async (t) => {
  const { enter, issuer, engine, info, token, again } = await setup(t);
  issuer.answer({ status: 503, body: "down" });
  const { state, candidate } = await enter(NEW);
  t.is(state, "ready");
  t.like(candidate, { state: "failing" });
  t.regex(candidate?.message ?? "", /HTTP 503/);
  t.is(await token(), `by-${OLD}`);
  engine.registry.tick();
  issuer.answer(taking(OLD, NEW));
  engine.clock.advance(2 * SECOND);
  await until(() => info().candidate === undefined);
  t.is(await token(), `by-${NEW}`);
  issuer.answer({ status: 503, body: "down" });
  await enter("the-third");
  issuer.answer(taking("the-third"));
  const next = await again();
  await until(() => next.info().candidate === undefined);
  t.is(await next.token(), "by-the-third");
  t.is(next.sealed()?.secrets.client_secret, "the-third");
});

test("a new secret is tried until it has worked, however long its issuer is away", async (t) => {
  const { enter, engine, issuer, info } = await setup(t);
  issuer.answer({ status: 503, body: "down" });
  await enter(NEW);
  for (let i = 0; i < 160; i++) {
    engine.clock.advance(300 * SECOND);
    await until(() => engine.registry.pendingRefreshes === 0);
  }
  issuer.answer(taking(NEW));
  for (let i = 0; i < 3; i++) {
    engine.clock.advance(300 * SECOND);
    await until(() => engine.registry.pendingRefreshes === 0);
  }
  await until(() => info().candidate === undefined);
  t.is(info().state, "ready");
});

test("a new secret that worked is put in force when the disk takes it", async (t) => {
  const { enter, engine, issuer, info, sealed, token } = await setup(t);
  issuer.answer((seen) => {
    engine.vault.broken = new Error("the disk is full");
    return taking(NEW)(seen);
  });
  await t.throwsAsync(enter(NEW), { message: "the disk is full" });
  // It is put in force for its token's sake, too, which fails as well.
  await new Promise((resolve) => setTimeout(resolve, 100));
  engine.registry.tick();
  engine.clock.advance(30 * SECOND);
  t.is(await token(), `by-${OLD}`);
  engine.vault.broken = undefined;
  engine.clock.advance(60 * SECOND);
  await until(() => info().candidate === undefined);
  t.is(sealed()?.secrets.client_secret, NEW);
  t.is(await token(), `by-${NEW}`);
});

test("force puts in force what is entered, or waits; discard drops what waits", async (t) => {
  const { enter, set, issuer, info, sealed, token } = await setup(t);
  await failure(enter("a-typo"));
  const dropped = await set({ discard: true });
  t.is(dropped.candidate, undefined);
  t.is(sealed()?.candidate, undefined);
  t.is(await token(), `by-${OLD}`);
  await failure(enter("a-typo"));
  t.is((await failure(set({ force: true }))).reason, "credential_rejected");
  t.is(info().state, "rejected");
  t.is(sealed()?.secrets.client_secret, "a-typo");
  issuer.answer(taking(OLD, NEW));
  await enter(OLD);
  t.is(await token(), `by-${OLD}`, "what does not work is replaced at once");
  issuer.answer({ status: 503, body: "down" });
  t.is((await enter(NEW, { force: true })).state, "failing");
  t.is(sealed()?.secrets.client_secret, NEW);
});

test("the end of authd at any moment of a change loses neither secret", async (t) => {
  const { engine, enter, issuer, info, again } = await setup(t);
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  const release = engine.vault.hold();
  void enter(NEW).catch(() => {});
  await until(() => engine.vault.waiting === 1);
  t.is(issuer.requests.length, 1, "nothing is sent before it is sealed");
  release();
  await until(() => issuer.requests.length === 2);
  t.is(info().state, "ready");
  issuer.answer(taking(OLD, NEW));
  // Sent, and no answer came: as with kill -9.
  const next = await again();
  await until(() => next.info().candidate === undefined);
  t.is(await next.token(), `by-${NEW}`);
});

test("a replacement with other settings changes the file only when it has worked", async (t) => {
  const { add, issuer, file, info, token, again } = await setup(t);
  const before = readFileSync(file, "utf8");
  const elsewhere = await startIssuer(t, { status: 503, body: "down" });
  const settings = { token_url: elsewhere.url, client_id: "other", origins: [elsewhere.origin] };
  const { state } = await add({ replace: true, settings, secrets: { client_secret: NEW } });
  t.is(state, "ready");
  t.is(readFileSync(file, "utf8"), before);
  t.deepEqual(info().origins, []);
  t.is(await token(), `by-${OLD}`);
  elsewhere.answer({ status: 401, json: { error: "invalid_client" } });
  const next = await again();
  await until(() => next.info().candidate?.state === "rejected");
  t.is(readFileSync(file, "utf8"), before);
  const refused = await failure(next.set({ settings: { ttl: 60 } }));
  t.regex(refused.message, /settings that were entered with new secrets wait/);
  elsewhere.answer(taking(NEW));
  await next.refresh();
  t.regex(readFileSync(file, "utf8"), new RegExp(elsewhere.url));
  t.deepEqual(next.info().origins, [elsewhere.origin]);
  t.is(await next.token(), `by-${NEW}`);
  t.is(next.sealed()?.binding, next.credential().settings.binding);
  t.is(issuer.requests.length, 1);
});

test("killed between the file and the seal of a replacement, the next start completes it", async (t) => {
  const { engine, add, file, again, sealed } = await setup(t);
  const elsewhere = await startIssuer(t, taking(NEW));
  const settings = { token_url: elsewhere.url, client_id: "other" };
  // It has worked, and the disk takes no more: what was written of the file is put back.
  engine.candidates.worked = () => {
    engine.vault.broken = new Error("no room on the disk");
  };
  const replacing = add({ replace: true, settings, secrets: { client_secret: NEW } });
  await t.throwsAsync(replacing, { message: /no room/ });
  t.notRegex(readFileSync(file, "utf8"), new RegExp(elsewhere.url));
  t.is(sealed()?.secrets.client_secret, OLD);
  engine.vault.broken = undefined;
  await engine.registry.sealAgain();
  // As a kill leaves it: the file is in place, and the record is not.
  writeFileSync(
    file,
    `grant = "client_credentials"\ntoken_url = "${elsewhere.url}"\nclient_id = "other"\n`,
  );
  const next = await again();
  await until(() => next.sealed()?.secrets.client_secret === NEW);
  await until(() => next.info().state === "ready");
  t.is(await next.token(), `by-${NEW}`);
  t.is(elsewhere.requests.length, 1, "its token was sealed beside");
});

test("settings that were trusted since are not replaced unasked", async (t) => {
  const { add, admin, engine, file, info, token } = await setup(t);
  const elsewhere = await startIssuer(t, { status: 503, body: "down" });
  const settings = { token_url: elsewhere.url, client_id: "other" };
  await add({ replace: true, settings, secrets: { client_secret: NEW } });
  writeFileSync(file, `${readFileSync(file, "utf8")}confirm = "first"\n`);
  await admin.reload();
  await admin.trust({ credential: "demo" }, agreed);
  elsewhere.answer(taking(NEW));
  engine.registry.tick();
  engine.clock.advance(2 * SECOND);
  await until(() => info().candidate?.state === "ready");
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.regex(readFileSync(file, "utf8"), /confirm = "first"/);
  t.is(await token(), `by-${OLD}`);
  t.truthy(engine.registry.get("demo").settings.policy);
});

/** Rotates refresh tokens, and ends a session whose spent token comes again. */
async function rotatingIssuer(t: ExecutionContext): Promise<Issuer & { spent: string[] }> {
  const spent: string[] = [];
  const issuer = await startIssuer(t, ({ form }) => {
    const token = form.get("refresh_token") ?? "";
    if (spent.includes(token) || token.startsWith("bad")) {
      return { status: 400, json: { error: "invalid_grant" } };
    }
    spent.push(token);
    const json = { access_token: `by-${token}`, expires_in: 3600, refresh_token: `${token}+` };
    return { json };
  });
  return { ...issuer, spent };
}

test("a new refresh token is spent once, the old one not with it, and both are sealed", async (t) => {
  const issuer = await rotatingIssuer(t);
  const { admin, signal, set, sealed, token, info, again } = desk(await startTestRegistry(t));
  const settings = { token_url: issuer.url, client_id: "app", client_auth: "none" };
  await admin.add(
    { name: "demo", grant: "refresh_token", settings, secrets: { refresh_token: "a" } },
    signal,
    agreed,
  );
  t.is(sealed()?.secrets.refresh_token, "a+");
  const refused = await failure(set({ secrets: { refresh_token: "bad" } }));
  t.is(refused.reason, "login_required");
  t.is(await token(), "by-a");
  t.is(sealed()?.secrets.refresh_token, "a+");
  t.is(sealed()?.candidate?.record.secrets.refresh_token, "bad");
  await set({ secrets: { refresh_token: "b" } });
  t.is(info().candidate, undefined);
  t.is(sealed()?.secrets.refresh_token, "b+");
  t.deepEqual(issuer.spent, ["a", "b"]);
  await set({ secrets: { refresh_token: "b+" } });
  t.deepEqual(issuer.spent, ["a", "b", "b+"], "the same one has one spender");
  const next = await again();
  t.is(await next.token(), "by-b+");
});

/** An issuer that answers to "b" when it is let go, and a session there that goes on meanwhile. */
async function slowChange(t: ExecutionContext) {
  const { spent, ...issuer } = await rotatingIssuer(t);
  const held = new HeldAnswers();
  const settings = { token_url: issuer.url, client_id: "app" };
  const here = desk(await startTestRegistry(t));
  const add = (refresh_token: string, replace = false) =>
    here.admin.add(
      { name: "demo", grant: "refresh_token", settings, secrets: { refresh_token }, replace },
      here.signal,
      agreed,
    );
  await add("a");
  issuer.answer((seen, response) => {
    const token = seen.form.get("refresh_token") ?? "";
    const isReuse = spent.includes(token);
    spent.push(token);
    if (isReuse) return { status: 400, json: { error: "invalid_grant" } };
    if (token === "b") return held.answer(seen, response);
    return { json: { access_token: `by-${token}`, expires_in: 3600, refresh_token: `${token}+` } };
  });
  const first = here.set({ secrets: { refresh_token: "b" } });
  await until(() => spent.includes("b"));
  return {
    ...here,
    issuer,
    spent,
    add,
    /** The answer comes while `change` is being sealed. */
    async meanwhile(change: () => Promise<unknown>) {
      const { vault } = here.engine;
      const release = vault.hold();
      const changed = change();
      await until(() => vault.waiting > 0);
      held.release({ access_token: "by-b", expires_in: 3600, refresh_token: "b+" });
      await new Promise((resolve) => setTimeout(resolve, 200));
      release();
      await changed;
      await first;
    },
  };
}

test("a refresh token that is answered while it is put in force is not sent again", async (t) => {
  const { set, meanwhile, sealed, spent, again } = await slowChange(t);
  await meanwhile(() => set({ force: true }));
  t.is(sealed()?.candidate, undefined);
  // Then it is tried where it is in force.
  t.deepEqual(spent, ["a", "b", "b+"]);
  t.is(await (await again()).token(), "by-b+");
});

test("a refresh token that is answered while another secret is entered is not sent again", async (t) => {
  const { set, meanwhile, sealed, spent } = await slowChange(t);
  await meanwhile(() => set({ secrets: { client_secret: "new" } }));
  t.deepEqual(spent, ["a", "b", "b+"]);
  t.like(sealed()?.secrets, { refresh_token: "b++", client_secret: "new" });
});

test("a replacement with the refresh token in force leaves it one spender", async (t) => {
  const { add, credential, issuer, sealed, set } = await slowChange(t);
  await set({ discard: true });
  const inForce = sealed()?.secrets.refresh_token ?? "";
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  const sent = issuer.requests.length;
  const added = add(inForce, true);
  await until(() => issuer.requests.length > sent);
  t.is(credential().candidate, undefined);
  held.release({ access_token: "by-it", expires_in: 3600, refresh_token: "next" });
  await added;
  t.is(sealed()?.secrets.refresh_token, "next");
});

test("a refresh token that authd has used up is refused, whoever enters it again", async (t) => {
  const { add, info, sealed, set, spent } = await slowChange(t);
  await set({ discard: true });
  const before = { spent: spent.length, sealed: sealed() };
  for (const enter of [
    () => add("a", true),
    () => set({ secrets: { refresh_token: "a" } }),
    () => set({ secrets: { refresh_token: "a" }, force: true }),
  ]) {
    const error = await t.throwsAsync<AuthdError>(enter, { instanceOf: AuthdError });
    t.is(error?.reason, "invalid_params");
    t.regex(error?.message ?? "", /^demo: this refresh_token has been used up/);
  }
  t.is(spent.length, before.spent);
  t.deepEqual(sealed()?.secrets, before.sealed?.secrets);
  t.is(info().state, "ready");
});

test("what is tried goes on after a lock during which a refresh token was being spent", async (t) => {
  const { engine, issuer, set, credential } = await slowChange(t);
  await set({ discard: true });
  issuer.answer({ status: 503, body: "down" });
  await set({ secrets: { refresh_token: "c" } });
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  const sent = issuer.requests.length;
  const refreshed = credential().refresh(30 * SECOND);
  await until(() => issuer.requests.length > sent);
  engine.registry.pauseAll(new AuthdError("vault_locked", "locked"));
  t.is(credential().trial?.state(), "locked");
  engine.registry.loadAll();
  t.is(credential().trial?.state(), "refreshing");
  held.release({ access_token: "by-it", expires_in: 3600, refresh_token: "next" });
  await refreshed;
});

test("a locked vault has no trial, and an opened one has it as it was", async (t) => {
  const issuer = await rotatingIssuer(t);
  const engine = await startTestRegistry(t, { passphrase: "a long passphrase" });
  const { admin, signal, set, info } = desk(engine);
  const settings = { token_url: issuer.url, client_id: "app", client_auth: "none" };
  await admin.add(
    { name: "demo", grant: "refresh_token", settings, secrets: { refresh_token: "a" } },
    signal,
    agreed,
  );
  await failure(set({ secrets: { refresh_token: "bad" } }));
  await until(() => engine.registry.pendingRefreshes === 0);
  await engine.sealed.lock("for a test");
  engine.registry.loadAll();
  t.is(info().state, "locked");
  t.is(engine.registry.get("demo").trial, undefined);
  await engine.sealed.unlock();
  engine.registry.loadAll();
  t.is(info().state, "ready");
  t.like(info().candidate, { state: "login_required" });
});

test("a vault of the version before has no candidate; an export carries one", async (t) => {
  const { enter, credential, info } = await setup(t);
  t.is(info().candidate, undefined);
  await failure(enter("a-typo"));
  const { parseExport: portables } = await import("../../src/admin/export-format.ts");
  const record = credential().snapshot();
  const text = JSON.stringify({ credentials: [{ name: "demo", record }] });
  const [exported] = portables(Buffer.from(text));
  t.is(exported?.record?.candidate?.record.secrets.client_secret, "a-typo");
});

test("new secrets that are refused in the background are a problem of a credential that works", async (t) => {
  const { enter, issuer, engine, info, set } = await setup(t);
  issuer.answer({ status: 503, body: "down" });
  await enter(NEW);
  t.deepEqual(problemsOf(info(), engine.clock.wall()), []);
  engine.registry.tick();
  issuer.answer(taking(OLD));
  engine.clock.advance(2 * SECOND);
  await until(() => info().candidate?.state === "rejected");
  const [problem, ...more] = problemsOf(info(), engine.clock.wall());
  t.is(more.length, 0);
  t.is(problem?.reason, "credential_rejected");
  t.regex(problem?.message ?? "", /demo: its new secrets are not in force.*of before stay in use/);
  t.regex(problem?.help ?? "", /authd refresh demo .*authd set demo --discard/);
  t.deepEqual(
    engine.registry.needingAttention().map(({ name }) => name),
    ["demo"],
  );
  await set({ discard: true });
  t.deepEqual(engine.registry.needingAttention(), []);
});

test("the command says what became of a new secret, and what to do next", async (t) => {
  const issuer = await startIssuer(t, taking(OLD));
  const daemon = await startDaemon(t);
  const settings = [`token_url=${issuer.url}`, "client_id=app"].flatMap((one) => ["--set", one]);
  const secret = (client_secret: string) => ({ input: JSON.stringify({ client_secret }) });
  const args = ["add", "demo", "--grant", "client_credentials", ...settings];
  const added = await daemon.cli([...args, "--secrets-from", "-"], secret(OLD));
  t.is(added.code, 0, added.stderr);
  const refused = await daemon.cli(["set", "demo", "--secrets-from", "-"], secret("a-typo"));
  t.is(refused.code, 5, refused.stderr);
  t.regex(refused.stderr, /stays in use.*authd set demo --discard/s);
  t.is((await daemon.cli(["get", "demo"])).stdout, `by-${OLD}\n`);
  t.regex((await daemon.cli(["show", "demo"])).stdout, /new secrets .*not in force.*rejected/);
  const dropped = await daemon.cli(["set", "demo", "--discard"]);
  t.is(dropped.code, 0, dropped.stderr);
  issuer.answer({ status: 503, body: "down" });
  const waiting = await daemon.cli(["set", "demo", "--secrets-from", "-"], secret(NEW));
  t.is(waiting.code, 0, waiting.stderr);
  t.regex(waiting.stdout, /What was there before stays in use/);
  await daemon.stop();
  issuer.answer(taking(NEW));
  const next = await startDaemon(t, { home: daemon });
  while ((await next.cli(["get", "demo", "--refresh"])).stdout !== `by-${NEW}\n`);
  const forced = await next.cli(["set", "demo", "--force", "--secrets-from", "-"], secret("other"));
  t.is(forced.code, 5, forced.stderr);
  t.regex((await next.cli(["show", "demo"])).stdout, /rejected/);
});
