import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { adminOf, agreed } from "../helpers/admin.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

async function setup(t: ExecutionContext, accessToken = "token", more = {}) {
  const answer = { access_token: accessToken, token_type: "bearer", expires_in: 3600, ...more };
  const issuer = await startIssuer(t, { json: answer });
  const engine = await startTestRegistry(t);
  const { admin } = adminOf(engine);
  const { signal } = new AbortController();
  const settings = { token_url: issuer.url, client_id: "app", origins: ["https://api.example"] };
  const secrets = { client_secret: "not-to-be-told" };
  await admin.add({ name: "demo", grant: "client_credentials", settings, secrets }, signal, agreed);
  const file = join(engine.dir, "config", "credentials", "demo.toml");
  return { issuer, engine, admin, file };
}

test("all is told but secrets: file, settings, headers as templates, rules", async (t) => {
  const { admin, file, issuer } = await setup(t);
  appendFileSync(file, '\n[[allow]]\nexecutable = "/usr/bin/backup"\nrate = "60/m"\n');
  const shown = admin.show("demo");
  t.is(shown.file, file);
  t.like(shown.settings, {
    grant: "client_credentials",
    token_url: issuer.url,
    client_id: "app",
    headers: { authorization: "Bearer {token}" },
    allow: [{ executable: "/usr/bin/backup", rate: "60/m" }],
  });
  t.deepEqual(shown.secrets, [{ name: "client_secret", optional: false, isEntered: true }]);
  t.false(JSON.stringify(shown).includes("not-to-be-told"));
});

test("the identity is what the access token names, if it is a JWT", async (t) => {
  const claims = { iss: "https://issuer.example", sub: "42", email: "me@example.com", scope: "x" };
  const jwt = `${part({ alg: "none" })}.${part(claims)}.c2lnbmF0dXJl`;
  const { admin } = await setup(t, jwt);
  t.deepEqual(admin.show("demo").identity, {
    iss: "https://issuer.example",
    sub: "42",
    email: "me@example.com",
  });
  const { admin: other } = await setup(t);
  t.is(other.show("demo").identity, undefined);
});

test("the identity is what an ID token names, also after a restart, until other secrets are entered", async (t) => {
  const claims = { iss: "https://issuer.example", sub: "42", name: "Ada", nonce: "not-a-name" };
  const idToken = `${part({ alg: "none" })}.${part(claims)}.c2lnbmF0dXJl`;
  const { admin, engine, issuer } = await setup(t, "opaque", { id_token: idToken });
  const identity = { iss: "https://issuer.example", sub: "42", name: "Ada" };
  t.deepEqual(admin.show("demo").identity, identity);
  issuer.answer({ json: { access_token: "next", token_type: "bearer", expires_in: 3600 } });
  await engine.registry.get("demo").refresh(5_000);
  t.deepEqual(admin.show("demo").identity, identity, "a renewal tells none");
  t.false(JSON.stringify(engine.registry.get("demo").snapshot()).includes(idToken));
  const all = engine.registry.all().map(({ settings }) => settings);
  const next = await engine.restart();
  for (const settings of all) next.registry.add(settings);
  t.deepEqual(next.registry.get("demo").identity, identity);
  const { signal } = new AbortController();
  const secrets = { client_secret: "another" };
  await adminOf(next).admin.set({ credential: "demo", secrets, force: true }, signal, agreed);
  t.deepEqual(next.registry.get("demo").identity, {});
});

test("an edit is told as it was and is, read again or not, and trusted only as it was looked at", async (t) => {
  const { admin, file, issuer, engine } = await setup(t);
  t.is(admin.show("demo").differences, undefined);
  const text = `grant = "client_credentials"\nclient_id = "app"\ntoken_url = "${issuer.url}"\n`;
  writeFileSync(file, `${text}origins = ["https://evil.example"]\n`);
  const looked = admin.show("demo");
  const edit = { key: "origins", was: ["https://api.example"], is: ["https://evil.example"] };
  t.deepEqual(looked.differences, [edit]);
  await admin.reload();
  t.like(admin.show("demo"), { state: "changed", differences: [edit] });

  writeFileSync(file, `${text}origins = ["https://worse.example"]\n`);
  const { binding = "" } = looked;
  await t.throwsAsync(admin.trust({ credential: "demo", binding }, agreed), {
    message: /edited while a person was asked/,
  });
  t.is(engine.registry.info("demo").state, "changed");
  writeFileSync(file, `${text}origins = ["https://evil.example"]\n`);
  await admin.trust({ credential: "demo", binding }, agreed);
  t.is(admin.show("demo").differences, undefined);
});

test("a record of before opens without trust, and tells what it can of an edit", async (t) => {
  const { admin, file, engine } = await setup(t);
  const { boundValues: _, ...before } = engine.registry.get("demo").snapshot();
  await engine.vault.write("demo", before, { durable: true });
  engine.registry.loadAll();
  t.is(engine.registry.info("demo").state, "ready");
  t.truthy(engine.registry.get("demo").record.boundValues, "kept from now on");

  engine.registry.delete("demo");
  await engine.vault.write("demo", before, { durable: true });
  appendFileSync(file, '\n[headers]\nx-copy = "{token}"\n');
  await admin.reload();
  t.like(admin.show("demo"), {
    state: "changed",
    differences: [{ key: "headers", is: { "x-copy": "{token}" } }],
  });
});

test("a file with a mistake is told of, and nothing is guessed", async (t) => {
  const { admin, file } = await setup(t);
  writeFileSync(file, "grant =");
  await admin.reload();
  const shown = admin.show("demo");
  t.like(shown, { state: "damaged", file });
  t.is(shown.settings, undefined);
});
