import test, { type ExecutionContext } from "ava";
import { addressKey } from "../../src/credential/troubles.ts";
import { AuthdError } from "../../src/errors.ts";
import { problemsOf } from "../../src/observe/problems.ts";
import { addClient, adminOf, agreed } from "../helpers/admin.ts";
import { type Responder, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry, type TestRegistry } from "../helpers/test-registry.ts";

const fine = { json: { access_token: "token", token_type: "bearer", expires_in: 3600 } };
const { signal } = new AbortController();
const admitted = { signal, admit: () => () => true, admitRefresh: async () => {} };

async function setup(t: ExecutionContext, answering: Responder) {
  const issuer = await startIssuer(t, answering);
  const engine = await startTestRegistry(t);
  const { admin } = adminOf(engine);
  const add = (settings: Record<string, string> = {}) =>
    addClient(admin, { name: "e5", url: issuer.url, settings });
  return { issuer, engine, admin, add };
}

/** Reasons and remedies that `status` lists. */
function listed({ registry, clock }: TestRegistry) {
  const problems = registry.needingAttention().flatMap((info) => problemsOf(info, clock.wall()));
  return problems.map(({ reason, help }) => ({ reason, help }));
}

/** The engine after a restart, with the same settings. */
async function restarted(engine: TestRegistry): Promise<TestRegistry> {
  const all = engine.registry.all().map(({ settings }) => settings);
  const next = await engine.restart();
  for (const settings of all) next.registry.add(settings);
  return next;
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error) => (error instanceof AuthdError ? error : undefined),
  );

const WRONG = { reason: "wrong_address", help: "authd set e5 --set token_url=…" };
const ANSWERS: [string, Responder, { reason: string; help: string }][] = [
  ["a 404", { status: 404, body: "nothing here" }, WRONG],
  ["a 405", { status: 405, json: { detail: "method not allowed" } }, WRONG],
  ["a redirect", { status: 302, headers: { location: "https://other.example/" } }, WRONG],
  ["a page for people", { status: 200, body: "<html>welcome</html>" }, WRONG],
  [
    "a firewall's 403",
    { status: 403, body: "<html>blocked</html>" },
    { reason: "blocked", help: "authd refresh e5, once nothing blocks this machine there" },
  ],
];

for (const [what, answering, wanted] of ANSWERS) {
  test(`add whose first try gets ${what} fails, and the problem survives a restart`, async (t) => {
    const { add, engine, issuer } = await setup(t, answering);
    const error = await failure(add());
    t.is(error?.reason, "issuer_unavailable");
    t.true(error?.message.includes(`What was entered is kept. Next: ${wanted.help}`));
    t.deepEqual(listed(engine), [wanted]);
    const next = await restarted(engine);
    t.is(next.registry.info("e5").state, "idle");
    t.deepEqual(listed(next), [wanted]);
    issuer.answer(fine);
    await next.registry.get("e5").refresh(5_000);
    t.deepEqual(listed(next), []);
    t.deepEqual(listed(await restarted(next)), []);
  });
}

test("a name that no host has is a problem until the address is another", async (t) => {
  const { add, admin, engine, issuer } = await setup(t, fine);
  const error = await failure(add({ token_url: "https://no-such-host.invalid/token" }));
  t.regex(error?.message ?? "", /can't be looked up.*Next: authd set e5 --set token_url=…/);
  t.deepEqual(listed(engine), [WRONG]);
  await admin.set({ credential: "e5", settings: { token_url: issuer.url } }, signal, agreed);
  t.deepEqual(listed(engine), []);
});

test("an outage is no problem of the settings: add keeps trying", async (t) => {
  const { add, engine } = await setup(t, { status: 500, body: "down" });
  t.is((await add()).state, "failing");
  t.deepEqual(listed(engine), []);
});

test("the address is the preset's field where there is one", async (t) => {
  const { engine } = await setup(t, fine);
  const key = (file: Record<string, unknown>) => addressKey(engine.settings("demo", file));
  t.is(key({ preset: "zebbra", username: "me", base_url: "https://zebbra.example" }), "base_url");
  t.is(key({ preset: "labelf", client_id: "x" }), "token_url");
  const request = { url: "https://issuer.example/token" };
  t.is(key({ grant: "exchange", request, response: { token: "/t" } }), "request.url");
});

test("a static key that a test found refused is a problem until it works, or another is entered", async (t) => {
  const { admin, engine, issuer } = await setup(t, { status: 401 });
  const name = "key";
  const settings = { origins: [issuer.origin], "verify.url": `${issuer.origin}/me` };
  await admin.add({ name, grant: "static", settings, secrets: { token: "x" } }, signal, agreed);
  t.deepEqual(listed(engine), [], "nobody has tried it");
  const tried = async (of: TestRegistry) => adminOf(of).admin.test(of.registry.get(name), admitted);
  t.false((await tried(engine)).ok);
  const wanted = { reason: "test_failed", help: "authd set key" };
  t.deepEqual(listed(engine), [wanted]);
  const next = await restarted(engine);
  t.is(next.registry.info(name).state, "ready");
  t.deepEqual(listed(next), [wanted]);

  issuer.answer({ status: 503 });
  t.false((await tried(next)).ok);
  t.deepEqual(listed(next), [wanted], "an outage tells nothing of the key");
  issuer.answer({ status: 404 });
  await tried(next);
  t.like(listed(next)[0], { help: "authd set key --set verify.url=…" });
  issuer.answer({ status: 200 });
  t.true((await tried(next)).ok);
  t.deepEqual(listed(next), []);

  issuer.answer({ status: 403 });
  await tried(next);
  t.is(listed(next).length, 1);
  const { admin: again } = adminOf(next);
  await again.set({ credential: name, secrets: { token: "y" } }, signal, agreed);
  t.deepEqual(listed(next), []);
});
