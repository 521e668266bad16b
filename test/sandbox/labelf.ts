import test, { type ExecutionContext } from "ava";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import type { PracticeOptions } from "../../src/sandbox/practice-api.ts";

const FORM = "application/x-www-form-urlencoded";

async function labelf(t: ExecutionContext, options: PracticeOptions = {}) {
  const api = await startLabelf(options);
  t.teardown(() => api.close());
  const id = String(api.credential.settings.client_id);
  const secret = api.credential.secrets.client_secret!;
  return {
    api,
    id,
    secret,
    right: basicOf(formEncode(id), formEncode(secret)),
    token: (
      authorization: string | undefined,
      body = "grant_type=client_credentials",
      type = FORM,
    ) =>
      fetch(`${api.url}/oauth2/token`, {
        method: "POST",
        headers: { "content-type": type, ...(authorization && { authorization }) },
        body,
      }),
    infer: (token: string, body: string, model = "7") =>
      fetch(`${api.url}/v2/models/${model}/inference`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body,
      }),
    models: (token: string) =>
      fetch(`${api.url}/v2/models`, { headers: { authorization: `Bearer ${token}` } }),
  };
}

const basicOf = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const formEncode = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);

async function errorOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: string };
  return `${response.status} ${error}`;
}

test("answers a token that lives for 99 years and has an empty scope", async (t) => {
  const { token, right } = await labelf(t);
  const response = await token(right);
  const { access_token, ...rest } = (await response.json()) as Record<string, unknown>;
  t.is(response.status, 200);
  t.is(typeof access_token, "string");
  t.deepEqual(rest, { expires_in: 3122063999, scope: "", token_type: "bearer" });
  t.is(response.headers.get("cache-control"), "no-store");
});

test("form-decodes what Basic carries, so what needs no encoding may come either way", async (t) => {
  const { token, id, secret } = await labelf(t);
  const tildeEncoded = (text: string) => formEncode(text).replaceAll("~", "%7E");
  t.is((await token(basicOf(tildeEncoded(id), tildeEncoded(secret)))).status, 200);
  t.is((await token(basicOf(encodeURIComponent(id), encodeURIComponent(secret)))).status, 200);
});

test("refuses a client whose id or secret is not form-encoded, wrong, or in the body", async (t) => {
  const { token, right, id, secret } = await labelf(t);
  const inBody = new URLSearchParams({ client_id: id, client_secret: secret });
  t.is(await errorOf(await token(basicOf(id, secret))), "401 invalid_client");
  t.is(await errorOf(await token(basicOf(formEncode(id), "%zz"))), "400 invalid_request");
  t.is(await errorOf(await token(basicOf(formEncode(id), "wrong"))), "401 invalid_client");
  t.is(await errorOf(await token(undefined)), "401 invalid_client");
  for (const authorization of [undefined, right]) {
    const response = await token(authorization, `grant_type=client_credentials&${inBody}`);
    t.is(await errorOf(response), "401 invalid_client");
  }
});

test("refuses another content type, a missing or another grant_type, a repeated field, a scope", async (t) => {
  const { token, right } = await labelf(t);
  const grant = "grant_type=client_credentials";
  const json = JSON.stringify({ grant_type: "client_credentials" });
  t.is(await errorOf(await token(right, json, "application/json")), "400 invalid_request");
  t.is(await errorOf(await token(right, grant, "text/plain")), "400 invalid_request");
  t.is(await errorOf(await token(right, "")), "400 invalid_request");
  t.is(await errorOf(await token(right, `${grant}&${grant}`)), "400 invalid_request");
  t.is(await errorOf(await token(right, "grant_type=password")), "400 unsupported_grant_type");
  t.is(await errorOf(await token(right, `${grant}&scope=all`)), "400 invalid_scope");
  t.is((await token(right, `${grant}&scope=`)).status, 200);
});

test("predicts, lists its models, and refuses requests that are not as documented", async (t) => {
  const { token, right, infer, models } = await labelf(t);
  const { access_token } = (await (await token(right)).json()) as { access_token: string };
  const body = JSON.stringify({ texts: ["Breakfast was not tasty"], max_predictions: 2 });
  const response = await infer(access_token, body);
  t.deepEqual(await response.json(), [
    {
      text: "Breakfast was not tasty",
      predictions: [
        { label: "negative", score: 0.93 },
        { label: "neutral", score: 0.05 },
      ],
    },
  ]);
  t.is((await models(access_token)).status, 200);
  t.is((await infer(access_token, body, "8")).status, 404);
  for (const bad of ["{", "{}", '{"texts":[]}', '{"texts":["a"],"max_predictions":0}']) {
    t.is((await infer(access_token, bad)).status, 400, bad);
  }
});

test("refuses an unknown, an expired and a withdrawn token", async (t) => {
  let time = Date.UTC(2026, 0, 1);
  const { api, token, right, models } = await labelf(t, { tokenLifetime: 60, now: () => time });
  const next = async () =>
    ((await (await token(right)).json()) as { access_token: string }).access_token;
  const first = await next();
  t.is((await models("practice-labelf-of-nobody")).status, 401);
  t.is((await models(first)).status, 200);
  time += 60_000;
  t.is((await models(first)).status, 401);
  const second = await next();
  t.is((await models(second)).status, 200);
  api.expireTokens();
  t.is((await models(second)).status, 401);
  t.is((await models(await next())).status, 200);
  t.deepEqual(api.stats, { tokenRequests: 3, apiRequests: 6, rejected: 3 });
});
