/** Another credential's token as a subject token: the rules of that one stand in the way of whoever adds the exchange. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Consent } from "../../src/admin/consent.ts";
import { AuthdError } from "../../src/errors.ts";
import { addClient, adminOf, agreed } from "../helpers/admin.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const TOKEN = { json: { access_token: "token", token_type: "bearer", expires_in: 3600 } };

/** `guarded` has rules, `open` has none. */
async function setup(t: ExecutionContext) {
  const issuer = await startIssuer(t, TOKEN);
  const elsewhere = await startIssuer(t, TOKEN);
  const engine = await startTestRegistry(t);
  const { admin } = adminOf(engine);
  const { url } = issuer;
  await addClient(admin, { name: "guarded", url, settings: { expose: "request" } });
  await addClient(admin, { name: "open", url });
  const questions: string[] = [];
  const denied: Consent = async (restricted, what) => {
    questions.push(`${restricted}: ${what}`);
    throw new AuthdError("caller_not_allowed", `${restricted}: no`, { credential: restricted });
  };
  const add = (credential: string, ask: Consent) =>
    admin.add(
      {
        name: "narrow",
        grant: "token_exchange",
        settings: { token_url: elsewhere.url, "subject.credential": credential },
        secrets: {},
      },
      new AbortController().signal,
      ask,
    );
  return { ...{ admin, engine, elsewhere, questions, denied, add } };
}

const refused = { instanceOf: AuthdError, message: "guarded: no" };

test("an exchange of a guarded credential's token is added by a person alone", async (t) => {
  const { engine, elsewhere, questions, denied, add } = await setup(t);
  await t.throwsAsync(add("guarded", denied), refused);
  const where = `token_url=${new URL(elsewhere.url).origin}`;
  t.deepEqual(questions, [`guarded: credentials/add narrow ${where} subject.credential`]);
  t.false(engine.registry.hasAny("narrow"));
  t.is(elsewhere.requests.length, 0);
  await add("open", denied);
  t.is(questions.length, 1);
});

test("so is one that is changed to it, or that goes elsewhere from then on", async (t) => {
  const { admin, engine, elsewhere, questions, denied, add } = await setup(t);
  const { signal } = new AbortController();
  const set = (settings: Record<string, string>) =>
    admin.set({ credential: "narrow", settings }, signal, denied);
  await add("open", denied);
  await t.throwsAsync(set({ "subject.credential": "guarded" }), refused);
  t.deepEqual(questions, ["guarded: credentials/set narrow subject.credential"]);
  await admin.set(
    { credential: "narrow", settings: { "subject.credential": "guarded" } },
    signal,
    agreed,
  );
  await t.throwsAsync(set({ token_url: "https://elsewhere.example/token" }), refused);
  t.is(questions[1], "guarded: credentials/set narrow token_url=https://elsewhere.example");
  t.is(
    (engine.registry.get("narrow").settings.own as { token_url: string }).token_url,
    elsewhere.url,
  );
});

test("so is one whose file was edited to it", async (t) => {
  const { admin, engine, elsewhere, questions, denied, add } = await setup(t);
  await add("open", denied);
  const file = join(engine.dir, "config", "credentials", "narrow.toml");
  const edited = `grant = "token_exchange"\ntoken_url = "${elsewhere.url}"\n[subject]\ncredential = "guarded"\n`;
  writeFileSync(file, edited);
  await admin.reload();
  t.is(engine.registry.get("narrow").state(), "changed");
  await t.throwsAsync(admin.trust({ credential: "narrow" }, denied), refused);
  t.deepEqual(questions, ["guarded: credentials/trust narrow subject.credential"]);
  await admin.trust({ credential: "narrow" }, agreed);
  t.is(engine.registry.get("narrow").state(), "idle");
});
