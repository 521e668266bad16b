import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import { AuthdError } from "../../src/errors.ts";
import type { ParamsOf } from "../../src/protocol.ts";
import { adminOf, agreed } from "../helpers/admin.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { type Responder, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const fine = { json: { access_token: "token", token_type: "bearer", expires_in: 3600 } };

async function setup(t: ExecutionContext, answering: Responder = fine) {
  const issuer = await startIssuer(t, answering);
  const engine = await startTestRegistry(t);
  const { admin } = adminOf(engine);
  const { signal } = new AbortController();
  const file = (name = "demo") => join(engine.dir, "config", "credentials", `${name}.toml`);
  const add = (more: Partial<ParamsOf<"credentials/add">> = {}) =>
    admin.add(
      {
        name: "demo",
        grant: "client_credentials",
        settings: { token_url: issuer.url, client_id: "app" },
        secrets: { client_secret: "the-first" },
        ...more,
      },
      signal,
      agreed,
    );
  const set = (more: Partial<ParamsOf<"credentials/set">>) =>
    admin.set({ credential: "demo", ...more }, signal, agreed);
  return { issuer, engine, admin, signal, file, add, set };
}

async function failure(work: Promise<unknown>): Promise<AuthdError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof AuthdError) return error;
  throw error ?? new Error("did not fail");
}

test("add writes the file, seals the secret, and tries it", async (t) => {
  const { add, engine, file, issuer } = await setup(t);
  const info = await add();
  t.is(info.state, "ready");
  t.is(issuer.requests.length, 1);
  t.deepEqual(engine.vault.read("demo")?.secrets, { client_secret: "the-first" });
  t.notRegex(readFileSync(file(), "utf8"), /the-first/);
});

test("a secret that the issuer refuses is kept; one whose issuer is away is tried again", async (t) => {
  const { add, engine, issuer, file } = await setup(t, {
    status: 401,
    json: { error: "invalid_client" },
  });
  t.is((await failure(add())).reason, "credential_rejected");
  t.is(engine.registry.info("demo").state, "rejected");
  t.true(existsSync(file()));
  issuer.answer({ status: 500, body: "down" });
  const info = await add({ name: "other" });
  t.is(info.state, "failing");
  issuer.answer(fine);
  engine.clock.advance(1_000);
  await until(() => engine.registry.info("other").state === "ready");
});

test("a refusal in other words than OAuth's is told at once, what was entered kept and tried again", async (t) => {
  const { add, set, engine, issuer, file } = await setup(t);
  await add({ name: "other" });
  for (const refusal of [
    { status: 401, json: { detail: "no such user" } },
    { status: 400, json: { message: "no such user" } },
    { status: 200, json: { error: { message: "no such user" } } },
  ]) {
    issuer.answer(refusal);
    const { reason, message } = await failure(add({ replace: true }));
    t.is(reason, "credential_rejected");
    t.regex(
      message,
      /^demo: the issuer refused what was entered at \S+\/token \(.*no such user.*It is kept and/,
    );
    t.is(engine.registry.info("demo").state, "failing");
    t.true(existsSync(file()));
  }
  const { message } = await failure(
    set({ credential: "other", secrets: { client_secret: "typo" } }),
  );
  t.regex(message, /^other: .*stays in use.*authd set other --discard drops it$/);
  t.is(engine.registry.info("other").state, "ready");
});

test("a reload after add changes nothing, in whatever order its settings were given", async (t) => {
  const { add, admin, issuer } = await setup(t);
  const fields = { tenant: "acme" };
  const headers = { "x-tenant": "{tenant}", authorization: "Bearer {token}" };
  await add({
    settings: { fields, headers, token_url: issuer.url, warm: "always", client_id: "a" },
  });
  t.deepEqual((await admin.reload()).changed, []);
});

test("an existing name needs replace", async (t) => {
  const { add, engine } = await setup(t);
  await add();
  t.is((await failure(add())).reason, "invalid_params");
  await add({ replace: true, secrets: { client_secret: "the-second" } });
  t.is(engine.vault.read("demo")?.secrets.client_secret, "the-second");
});

test("replacing while a flight is under way keeps what was entered last", async (t) => {
  const held = new HeldAnswers();
  const { add, engine, issuer, signal, admin } = await setup(t);
  await add();
  issuer.answer(held.answer);
  void admin.refresh("demo", signal).catch(() => {});
  await until(() => issuer.requests.length === 2);
  const release = engine.vault.hold();
  const replaced = add({ replace: true, secrets: { client_secret: "the-second" } });
  await until(() => engine.vault.waiting === 1);
  held.release({ access_token: "of-the-first", token_type: "bearer", expires_in: 3600 });
  await until(() => engine.registry.pendingRefreshes === 0 || engine.vault.waiting === 2);
  issuer.answer(fine);
  release();
  await replaced;
  t.is(engine.vault.read("demo")?.secrets.client_secret, "the-second");
  const { accessToken } = engine.registry.get("demo").token({}) as IssuedToken;
  t.is(accessToken, "token");
});

test("a replacement that can't be sealed leaves everything as it was", async (t) => {
  const { add, engine, file } = await setup(t);
  await add();
  const before = readFileSync(file(), "utf8");
  engine.vault.broken = new Error("no room on the disk");
  await t.throwsAsync(
    add({
      replace: true,
      settings: { token_url: "https://other.example/token", client_id: "other" },
      secrets: { client_secret: "the-second" },
    }),
    { message: /no room/ },
  );
  engine.vault.broken = undefined;
  t.is(readFileSync(file(), "utf8"), before);
  const credential = engine.registry.get("demo");
  t.is((credential.token({}) as IssuedToken).accessToken, "token");
  t.is(credential.record.secrets.client_secret, "the-first");
  t.is(engine.vault.read("demo")?.secrets.client_secret, "the-first");
});

test("a file that can't be written leaves no secret behind, and no credential changed", async (t) => {
  const { add, engine, file } = await setup(t);
  await add();
  const folder = join(engine.dir, "config", "credentials");
  // A link to nothing can't be replaced by anything.
  const { rmSync, symlinkSync } = await import("node:fs");
  symlinkSync(join(engine.dir, "nowhere", "x.toml"), join(folder, "new.toml"));
  await t.throwsAsync(add({ name: "new", replace: true }));
  t.is(engine.vault.read("new"), undefined);
  t.false(engine.registry.hasAny("new"));
  rmSync(file());
  symlinkSync(join(engine.dir, "nowhere", "x.toml"), file());
  await t.throwsAsync(add({ replace: true, secrets: { client_secret: "the-second" } }));
  t.is(engine.vault.read("demo")?.secrets.client_secret, "the-first");
});

test("remove leaves nothing behind, also if a token comes meanwhile", async (t) => {
  const held = new HeldAnswers();
  const { add, admin, engine, file, issuer, signal } = await setup(t);
  await add();
  issuer.answer(held.answer);
  const asked = admin.refresh("demo", signal).catch(() => {});
  await until(() => issuer.requests.length === 2);
  const release = engine.vault.hold();
  const removed = admin.remove("demo", agreed);
  await until(() => engine.vault.waiting === 1);
  held.release({ access_token: "late", token_type: "bearer", expires_in: 3600 });
  await asked;
  release();
  await removed;
  await until(() => engine.vault.waiting === 0);
  t.deepEqual(engine.vault.names(), []);
  t.false(existsSync(file()));
  t.is((await failure(admin.refresh("demo", signal))).reason, "unknown_credential");
});

test("one that can't be removed goes on as before", async (t) => {
  const { add, admin, engine } = await setup(t);
  await add();
  engine.vault.broken = new Error("read-only disk");
  await t.throwsAsync(admin.remove("demo", agreed), { message: /read-only/ });
  engine.vault.broken = undefined;
  t.is((engine.registry.get("demo").token({}) as IssuedToken).accessToken, "token");
});

test("set changes settings and secrets, and binds them", async (t) => {
  const { add, set, engine, file } = await setup(t);
  await add();
  const elsewhere = await startIssuer(t, fine);
  await set({ settings: { token_url: elsewhere.url }, secrets: { client_secret: "the-second" } });
  t.is(elsewhere.requests.length, 1);
  t.regex(readFileSync(file(), "utf8"), new RegExp(elsewhere.url));
  t.is(engine.registry.get("demo").state(), "ready");
});

test("set with discard that fails drops nothing", async (t) => {
  const { add, set, engine, issuer } = await setup(t);
  await add();
  issuer.answer({ status: 503 });
  await set({ secrets: { client_secret: "the-second" } });
  const { candidate } = engine.registry.get("demo");
  t.is(candidate?.record.secrets.client_secret, "the-second");
  const mistake = { discard: true, settings: { token_url: "not a url" } };
  t.is((await failure(set(mistake))).reason, "invalid_params");
  t.is(engine.registry.get("demo").candidate, candidate);
  await set({ discard: true, settings: { ttl: 60 } });
  t.is(engine.registry.get("demo").candidate, undefined);
});

test("a secret that is entered and unset at once is refused, and what was there stays", async (t) => {
  const { add, set, engine, issuer } = await setup(t);
  const settings = { token_url: issuer.url, client_id: "app", username: "me" };
  const secrets = { password: "the-first", client_secret: "the-first" };
  await add({ grant: "password", settings, secrets });
  const both = { unset: ["client_secret"], secrets: { client_secret: "the-second" } };
  for (const force of [false, true]) {
    const { reason, message } = await failure(set({ ...both, force }));
    t.is(reason, "invalid_params");
    t.regex(message, /demo: the secret client_secret is entered, and unset as well/);
  }
  t.deepEqual(engine.registry.get("demo").record.secrets, secrets);
  t.is(engine.registry.get("demo").candidate, undefined);
});

test("set that can't be sealed changes neither the file nor the credential", async (t) => {
  const { add, set, engine, file } = await setup(t);
  await add();
  const before = readFileSync(file(), "utf8");
  engine.vault.broken = new Error("no room on the disk");
  await t.throwsAsync(set({ settings: { client_id: "other" } }), { message: /no room/ });
  engine.vault.broken = undefined;
  t.is(readFileSync(file(), "utf8"), before);
  t.is(engine.registry.get("demo").state(), "ready");
});

test("set and trust bring what stands in the way of reading the secrets", async (t) => {
  const { add, set, admin, engine } = await setup(t);
  await add();
  writeFileSync(join(engine.dir, "vault", "demo.sealed"), "rubbish");
  engine.registry.loadAll();
  t.is(engine.registry.info("demo").state, "damaged");
  t.is((await failure(set({ settings: { ttl: 60 } }))).reason, "credential_damaged");
  t.is((await failure(admin.trust({ credential: "demo" }, agreed))).reason, "credential_damaged");
});

test("set does not wave through an edit that nobody looked at; trust does", async (t) => {
  const { add, set, admin, engine, file, issuer } = await setup(t);
  await add();
  const text = readFileSync(file(), "utf8");
  writeFileSync(file(), `${text}\norigins = ["https://evil.example"]\n`);
  t.is((await failure(set({ settings: { ttl: 60 } }))).reason, "credential_changed");
  const { changed } = await admin.reload();
  t.deepEqual(changed, ["demo"]);
  t.is(engine.registry.info("demo").state, "changed");
  t.deepEqual((await admin.trust({ credential: "demo" }, agreed)).origins, [
    "https://evil.example",
  ]);
  t.not(engine.registry.info("demo").state, "changed");
  t.is(issuer.requests.length, 1);
});

const zebbra = (origin: string, username = "me") => ({
  preset: "zebbra",
  grant: undefined,
  settings: { username, base_url: origin },
  secrets: {},
  register: true,
});

test("register makes the account first, with a password that nobody sees", async (t) => {
  const { add, engine, issuer } = await setup(t);
  await add(zebbra(issuer.origin));
  const [registered, signedIn] = issuer.requests;
  const { password } = JSON.parse(registered?.body ?? "{}");
  t.true(password.length > 20);
  t.is(signedIn?.form.get("password"), password);
  t.is(engine.vault.read("demo")?.secrets.password, password);
});

test("an account that could not be made leaves nothing behind, unless it may exist", async (t) => {
  const { add, engine, issuer, file } = await setup(t, { status: 409, json: {} });
  t.is((await failure(add(zebbra(issuer.origin)))).reason, "request_failed");
  t.deepEqual(engine.vault.names(), []);
  t.false(existsSync(file()));
  issuer.answer((_seen, response) => void response.socket?.destroy());
  await failure(add(zebbra(issuer.origin)));
  t.deepEqual(engine.vault.names(), ["demo"]);
});

test("an account that could not be made does not cost the one that was there", async (t) => {
  const { add, engine, issuer, file } = await setup(t);
  await add({ ...zebbra(issuer.origin), secrets: { password: "the-working-one" } });
  const before = readFileSync(file(), "utf8");
  issuer.answer({ status: 409, json: {} });
  await failure(add({ ...zebbra(issuer.origin, "another"), replace: true }));
  t.is(engine.vault.read("demo")?.secrets.password, "the-working-one");
  t.is(readFileSync(file(), "utf8"), before);
  issuer.answer(fine);
  const { accessToken } = await engine.registry.get("demo").token({});
  t.is(accessToken, "token");
});

test("an account that could not be made makes no edit of before trusted", async (t) => {
  const { add, admin, engine, issuer, file } = await setup(t);
  await add({ ...zebbra(issuer.origin), secrets: { password: "the-working-one" } });
  const text = readFileSync(file(), "utf8");
  writeFileSync(file(), text.replace(issuer.origin, "http://localhost:9"));
  await admin.reload();
  t.is(engine.registry.info("demo").state, "changed");
  issuer.answer({ status: 409, json: {} });
  await failure(add({ ...zebbra(issuer.origin, "another"), replace: true }));
  t.is(engine.registry.info("demo").state, "changed");
});

test("allow adds a rule to the file, comments and all, and binds to it", async (t) => {
  const { add, admin, engine, file, set } = await setup(t);
  await add();
  await set({ settings: { confirm: "first" } });
  writeFileSync(file(), `# keep me\n${readFileSync(file(), "utf8")}`);
  const allowed = { executable: "/usr/bin/backup", kind: "token", rule: "default" } as const;
  const { record } = engine.registry.get("demo");
  const { tokens } = record;
  await admin.allow("demo", allowed);
  t.regex(readFileSync(file(), "utf8"), /^# keep me\n.*executable = "\/usr\/bin\/backup"/s);
  t.is(engine.registry.info("demo").state, "ready");
  t.like(engine.registry.get("demo").settings.policy?.allow, [
    { name: "backup", confirm: "never" },
    { name: "everybody else" },
  ] as never);
  t.deepEqual(
    engine.registry.get("demo").record.tokens,
    tokens,
    "its tokens are as good as before",
  );
  const { binding } = engine.registry.get("demo").settings;
  t.is(engine.vault.read("demo")?.binding, binding);
  const more = { ...allowed, executable: "/opt/sync", rule: "everybody else" };
  await admin.allow("demo", more);
  t.is(engine.registry.get("demo").settings.policy?.allow.length, 3);
});

test("allow refuses what a person was not asked about, and leaves the file as it was", async (t) => {
  const { add, admin, file, set } = await setup(t);
  await add();
  await set({ settings: { confirm: "first" } });
  const allowed = { executable: "/usr/bin/backup", kind: "token", rule: "default" } as const;
  const before = readFileSync(file(), "utf8");
  writeFileSync(file(), `${before}origins = ["https://evil.example"]\n`);
  t.is((await failure(admin.allow("demo", allowed))).reason, "credential_changed");
  t.notRegex(readFileSync(file(), "utf8"), /allow/);
  writeFileSync(file(), before);
  await admin.allow("demo", allowed);
  t.regex((await failure(admin.allow("demo", allowed))).message, /its rules were changed since/);
});
