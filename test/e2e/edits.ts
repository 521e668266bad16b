/** Edits of credential files and config.toml: what they stop, what they never bring back, and what is told of them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import type { State } from "../../src/protocol.ts";
import { adminOf, agreed } from "../helpers/admin.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { type Responder, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const FINE = { json: { access_token: "token", token_type: "bearer", expires_in: 3600 } };
const WRONG = { status: 401, json: { error: "invalid_client" } };

async function setup(t: ExecutionContext, answering: Responder = FINE) {
  const issuer = await startIssuer(t, answering);
  const engine = await startTestRegistry(t);
  const setup = desk(engine);
  const add = async (name = "demo") => {
    const { signal } = new AbortController();
    const settings = { token_url: issuer.url, client_id: "app" };
    const secrets = { client_secret: "not-so-secret" };
    const params = { name, grant: "client_credentials", settings, secrets };
    await setup.admin.add(params, signal, agreed);
  };
  return { issuer, ...setup, add };
}

/** What is done to an engine's files, and what comes of it. */
function desk(engine: TestRegistry) {
  const { admin } = adminOf(engine);
  const dir = join(engine.dir, "config");
  const file = join(dir, "credentials", "demo.toml");
  return {
    engine,
    admin,
    file,
    text: () => readFileSync(file, "utf8"),
    state: () => engine.registry.info("demo").state,
    why: () => engine.registry.info("demo").lastError?.message ?? "",
    ask: async () => await engine.registry.get("demo").token({}),
    /** Edits files, and has them read again. */
    async edit(files: Readonly<Record<string, string>>) {
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(dir, name), text, { mode: 0o600 });
      }
      return await admin.reload();
    },
  };
}

async function failure(work: Promise<unknown>): Promise<AuthdError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof AuthdError) return error;
  throw error ?? new Error("did not fail");
}

/** Two certificates: the file of the same name may hold another. */
function withCa(engine: TestRegistry, name = "ca.pem") {
  writeFileSync(join(engine.dir, "config", name), createAuthority().ca, { mode: 0o600 });
}

test("what an edit changed is named, with its file and its key", async (t) => {
  const { engine, add, edit, why, state, text, issuer } = await setup(t);
  await add();
  const before = text();
  withCa(engine);
  await edit({ "config.toml": 'ca_file = "ca.pem"' });
  t.is(state(), "changed");
  t.regex(why(), /^demo: config\.toml was edited \(ca_file\) since .* authd trust demo$/);
  await edit({ "config.toml": "" });
  t.is(state(), "idle");
  await edit({ "config.toml": `defaults = { origins = ["${issuer.origin}"] }` });
  t.regex(why(), /^demo: config\.toml was edited \(defaults\.origins\) since/);
  await edit({ "config.toml": "", "credentials/demo.toml": `${before}confirm = "first"\n` });
  t.regex(why(), /^demo: its file was edited \(confirm\) since/);
  await edit({ "config.toml": 'ca_file = "ca.pem"' });
  t.regex(why(), /^demo: its file was edited \(confirm\) and config\.toml was edited \(ca_file\)/);
  await edit({ "config.toml": 'proxy = "http://localhost:9"', "credentials/demo.toml": before });
  t.is(state(), "idle", "a proxy carries what is sealed by TLS");
});

test("what an edit changed is named after a restart, too, and once it was trusted it is what holds", async (t) => {
  const { engine, admin, add, edit } = await setup(t);
  await add();
  withCa(engine);
  await edit({ "config.toml": 'ca_file = "ca.pem"' });
  await admin.trust({ credential: "demo" }, agreed);
  const again = desk(await engine.restart());
  await again.edit({});
  t.is(again.state(), "idle");
  withCa(again.engine);
  await again.edit({});
  t.regex(again.why(), /^demo: config\.toml was edited \(ca_file\)/, "another certificate");
  const last = desk(await again.engine.restart());
  await last.edit({ "config.toml": "" });
  t.regex(last.why(), /^demo: config\.toml was edited \(ca_file\)/);
});

test("a vault of the version before opens as it is, and learns to name edits", async (t) => {
  const { engine, add } = await setup(t);
  await add();
  await until(() => engine.vault.read("demo")?.tokens.length === 1);
  const { written, ...before } = engine.vault.read("demo")!;
  t.truthy(written);
  await engine.vault.write("demo", before, { durable: true });
  const again = desk(await engine.restart());
  await again.edit({});
  t.is(again.state(), "ready");
  withCa(again.engine);
  await again.edit({ "config.toml": 'ca_file = "ca.pem"' });
  t.regex(again.why(), /^demo: config\.toml was edited \(ca_file\)/);
  await again.engine.vault.write("demo", before, { durable: true });
  const last = desk(await again.engine.restart());
  await last.edit({});
  t.regex(last.why(), /^demo: its file, or config\.toml, was edited since/);
});

test("what is refused stays refused, whatever is edited around it", async (t) => {
  const { engine, admin, add, edit, state, ask, issuer, text } = await setup(t, WRONG);
  await failure(add());
  t.is(state(), "rejected");
  issuer.answer(FINE);
  const before = text();
  withCa(engine);
  const refused = async (what: string, is: State = "rejected") => {
    t.is(state(), is, what);
    await failure(ask());
    t.is(issuer.requests.length, 1, what);
  };
  await edit({ "config.toml": 'ca_file = "ca.pem"' });
  await refused("a ca_file for all", "changed");
  await edit({ "config.toml": "" });
  await refused("and without it");
  await edit({ "config.toml": 'ca_file = "ca.pem"' });
  await admin.trust({ credential: "demo" }, agreed);
  await refused("a ca_file that was trusted");
  await edit({ "config.toml": 'ca_file = "ca.pem"\ndefaults = { scope = "read", ttl = 60 }' });
  await refused("another default of what is asked for");
  await edit({ "credentials/demo.toml": `${before}ttl = 30\nsecret_expires = "2031-01-31"\n` });
  await refused("its own file, beside the token request");
  await edit({ "credentials/demo.toml": `${before}confirm = "first"\n` });
  await admin.trust({ credential: "demo" }, agreed);
  await refused("rules of its own");
  const allowed = { executable: "/usr/bin/backup", kind: "token", rule: "default" } as const;
  await admin.allow("demo", allowed);
  await refused("a program that is always allowed");
  engine.registry.loadAll();
  await refused("a vault that was locked and opened");
  const again = desk(await engine.restart());
  await again.edit({});
  t.is(again.state(), "rejected", "after a restart");
  t.is(issuer.requests.length, 1);
});

test("an edit of the token request itself may be tried, and undone it was none", async (t) => {
  const { engine, add, edit, state, issuer, text } = await setup(t, WRONG);
  await failure(add());
  const before = text();
  const mended = before.replace('"app"', '"the-right-app"');
  await edit({ "credentials/demo.toml": mended });
  t.is(state(), "idle");
  await edit({ "credentials/demo.toml": before });
  t.is(state(), "rejected");
  await edit({ "credentials/demo.toml": mended });
  const again = desk(await engine.restart());
  await again.edit({ "credentials/demo.toml": before });
  t.is(again.state(), "rejected", "also over a restart");
  issuer.answer(FINE);
  await again.edit({ "credentials/demo.toml": mended });
  t.is((await again.ask()).accessToken, "token");
  t.is(issuer.requests.length, 2);
  await again.edit({ "credentials/demo.toml": before });
  t.is(again.state(), "idle", "what has worked since is refused no more");
});

test("a refresh of a person ends a refusal, of a vault of the version before, too", async (t) => {
  const { engine, add, issuer } = await setup(t, WRONG);
  await failure(add());
  await until(() => engine.vault.read("demo")?.refused !== undefined);
  const record = engine.vault.read("demo")!;
  const { writtenRequest, ...refused } = record.refused!;
  t.truthy(writtenRequest);
  await engine.vault.write("demo", { ...record, refused }, { durable: true });
  const again = desk(await engine.restart());
  await again.edit({});
  t.is(again.state(), "rejected");
  issuer.answer(FINE);
  const { signal } = new AbortController();
  t.is((await again.admin.refresh("demo", signal)).state, "ready");
});

test("a file with a mistake closes its credential, and mended it is as it was", async (t) => {
  const { engine, add, edit, state, why, ask, issuer, text, file } = await setup(t);
  await add();
  await until(() => engine.vault.read("demo")?.tokens.length === 1);
  const before = text();
  const rules = `${before}[[allow]]\nunit = "a.service"\n`;
  const sealed = () => readFileSync(join(engine.dir, "vault", "demo.sealed"));
  const untouched = sealed();
  const mistakes = [
    ["nonsense", /^demo: .*demo\.toml, line 1, column \d+: not valid TOML: .*authd reload$/],
    [`${rules}unti = "b.service"\n`, /demo\.toml, line 8: .*There is no key "allow\.0\.unti"/],
    [rules.replace('"a.service"', "7"), /demo\.toml, line 7: .*allow\.0\.unit: expected/],
    [`confrim = "first"\n${before}`, /demo\.toml, line 1: .*"confrim"\. Did you mean "confirm"/],
  ] as const;
  for (const [content, said] of mistakes) {
    const { errors } = await edit({ "credentials/demo.toml": content });
    t.is(errors[0]?.file, file);
    t.is(state(), "damaged", content);
    t.regex(why(), said);
    const refused = await failure(ask());
    t.is(refused.reason, "credential_damaged");
    t.regex(refused.message, said);
  }
  engine.registry.loadAll();
  t.is(state(), "damaged", "a vault that was locked and opened");
  engine.registry.tick();
  engine.clock.advance(50 * 60_000);
  t.is(issuer.requests.length, 1, "nothing is renewed");
  const { changed } = await edit({ "credentials/demo.toml": before });
  t.deepEqual(changed, ["demo"]);
  t.is((await ask()).accessToken, "token");
  t.deepEqual(sealed(), untouched);
  await edit({ "credentials/demo.toml": rules });
  t.is(state(), "changed", "what was written meanwhile is nobody's rule yet");
});

test("mended, a credential has the refusal and the failures that it had", async (t) => {
  const { add, edit, state, issuer, text } = await setup(t, { status: 500, body: "down" });
  await add();
  t.is(state(), "failing");
  const before = text();
  await edit({ "credentials/demo.toml": "nonsense" });
  await edit({ "credentials/demo.toml": before });
  t.is(state(), "failing");
  t.is(issuer.requests.length, 1);
  const other = await setup(t, WRONG);
  await failure(other.add());
  const same = other.text();
  await other.edit({ "credentials/demo.toml": "nonsense" });
  t.is(other.state(), "damaged");
  await other.edit({ "credentials/demo.toml": same });
  t.is(other.state(), "rejected");
  t.is(other.issuer.requests.length, 1);
});

test("a mistake in what config.toml says about access closes everything, another one nothing", async (t) => {
  const { engine, add, edit, state, why, ask, issuer } = await setup(t);
  await add();
  const refused = async (config: string, said: RegExp) => {
    const { errors } = await edit({ "config.toml": config });
    t.is(errors.length, 1, config);
    t.regex(`${errors[0]?.file}, ${errors[0]?.message}`, said);
    t.is(state(), "damaged", config);
    t.regex(why(), said);
    t.is((await failure(ask())).reason, "credential_damaged");
  };
  await edit({ "config.toml": 'log_leevl = "info"\n' });
  t.is(state(), "ready", "a mistake elsewhere");
  await refused('[defaults]\nconfrim = "first"\n', /config\.toml, line 2: .*defaults\.confrim/);
  await refused('log_level = "info"\n[access', /config\.toml, line 2, column/);
  const added = await failure(add("other"));
  t.regex(added.message, /config\.toml, line 2.* Mend it, then run: authd reload/);
  await edit({ "config.toml": 'log_leevl = "info"\n' });
  t.is(state(), "damaged", "as long as there is any");
  const { changed } = await edit({ "config.toml": "" });
  t.deepEqual(changed, ["demo"]);
  t.is((await ask()).accessToken, "token");
  t.is(issuer.requests.length, 1);
  await refused('log_leevl = "info"\n[access]\nusers = [0]\n', /log_leevl/);
  t.is(engine.registry.infos().length, 1);
});
