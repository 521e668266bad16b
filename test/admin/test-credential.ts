/** Tells what an API answered to the request that tries a credential. */
import test, { type ExecutionContext } from "ava";
import { adminOf, agreed } from "../helpers/admin.ts";
import { type Responder, type StubResponse, startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const TOKEN = "practice-token-73";

async function setup(t: ExecutionContext, answering: Responder, more: object = {}) {
  const api = await startIssuer(t, answering);
  const engine = await startTestRegistry(t);
  const { admin } = adminOf(engine);
  const { signal } = new AbortController();
  const verify = { method: "GET", url: `${api.origin}/v1/me?full=1` };
  const settings = { origins: [api.origin], verify, ...more };
  await admin.add(
    { name: "demo", grant: "static", settings, secrets: { token: TOKEN } },
    signal,
    agreed,
  );
  const tried = async () => {
    const credential = engine.registry.get("demo");
    const options = { signal, admit: () => () => true, admitRefresh: async () => {} };
    const { detail, ...rest } = await admin.test(credential, options);
    return { ...rest, detail: detail.replaceAll(new URL(api.origin).host, "HOST") };
  };
  return { api, engine, tried };
}

const CASES: readonly (readonly [StubResponse, string])[] = [
  [{ status: 200, json: { message: "hello" } }, "HOST/v1/me answered 200 OK"],
  [
    { status: 403, json: { message: "Your plan has no API" } },
    'HOST/v1/me answered 403 Forbidden: "Your plan has no API"',
  ],
  [
    { status: 401, json: { error: "invalid_token", error_description: "It has expired" } },
    'HOST/v1/me answered 401 Unauthorized: invalid_token ("It has expired")',
  ],
  [
    {
      status: 404,
      headers: { "content-type": "text/html" },
      body: "<html><title>Not here</title></html>",
    },
    'HOST/v1/me answered 404 Not Found: "Not here"; check verify.url',
  ],
  [
    { status: 302, headers: { location: "https://elsewhere.example/login" } },
    "HOST/v1/me answered 302 Found; check verify.url",
  ],
  [{ status: 403, json: { message: `${TOKEN} may not` } }, "HOST/v1/me answered 403 Forbidden"],
  [{ status: 500, body: "\u001b[31m" }, "HOST/v1/me answered 500 Internal Server Error"],
];

for (const [answer, detail] of CASES) {
  test(`${detail}`, async (t) => {
    const { tried } = await setup(t, answer);
    const result = await tried();
    t.is(result.detail, `demo: ${detail}`);
    t.is(result.status, answer.status);
    t.is(result.ok, answer.status! < 400);
  });
}

test("what a function made of the token is not quoted where the API repeats it", async (t) => {
  const headers = { "x-proof": "{token|sha1}" };
  const echo: Responder = (seen) => ({
    status: 403,
    json: { message: `bad proof ${seen.headers["x-proof"]}` },
  });
  const { tried } = await setup(t, echo, { headers });
  t.is((await tried()).detail, "demo: HOST/v1/me answered 403 Forbidden");
});

test("the reason stays as a problem until a test works", async (t) => {
  const { api, engine, tried } = await setup(t, { status: 403, json: { message: "No such plan" } });
  await tried();
  const problem = () => JSON.stringify(engine.registry.get("demo").snapshot());
  t.regex(problem(), /No such plan/);
  api.answer({ status: 200, json: {} });
  await tried();
  t.notRegex(problem(), /No such plan/);
});
