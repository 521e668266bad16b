import test from "ava";
import { version } from "../../src/base/version.ts";
import { grants } from "../../src/grants/index.ts";
import { acquire } from "../helpers/acquire.ts";
import { startIssuer } from "../helpers/issuer.ts";

const OK = { json: { access_token: "abc", token_type: "bearer", expires_in: 3600 } };
const secrets = { client_secret: "s3cret" };

test("a token request says which program it is, unless token_headers say otherwise", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = { token_url: issuer.url, client_id: "demo" };
  await acquire(t, "client_credentials", { settings, secrets });
  t.is(issuer.requests[0]!.headers["user-agent"], `authd/${version}`);
  const token_headers = {
    "User-Agent": "Mozilla/5.0",
    origin: "https://{tenant}.example",
    "x-api-key": "{secret.gateway}",
    accept: "*/*",
    "x-absent": "{scope}",
    "x-dropped": "",
  };
  await acquire(t, "client_credentials", {
    settings: { ...settings, token_headers },
    fields: { tenant: "acme" },
    secrets: { ...secrets, gateway: "practice-key" },
  });
  const { headers } = issuer.requests[1]!;
  t.like(headers, {
    "user-agent": "Mozilla/5.0",
    origin: "https://acme.example",
    "x-api-key": "practice-key",
    accept: "*/*",
    "content-type": "application/x-www-form-urlencoded",
    authorization: `Basic ${btoa("demo:s3cret")}`,
  });
  t.false("x-absent" in headers || "x-dropped" in headers);
});

test("parameters as JSON keep their types, and lists are lists", async (t) => {
  const issuer = await startIssuer(t, OK);
  await acquire(t, "client_credentials", {
    settings: {
      token_url: issuer.url,
      client_id: "demo",
      client_auth: "client_secret_post",
      token_format: "json",
      audience: ["https://a.example", "https://b.example"],
      extra: { days: 7, remember: true, tags: ["one", "{tenant}"] },
    },
    fields: { tenant: "acme" },
    secrets,
  });
  const [request] = issuer.requests;
  t.is(request!.headers["content-type"], "application/json");
  t.deepEqual(JSON.parse(request!.body), {
    grant_type: "client_credentials",
    client_id: "demo",
    client_secret: "s3cret",
    audience: ["https://a.example", "https://b.example"],
    days: 7,
    remember: true,
    tags: ["one", "acme"],
  });
});

test("a GET has its parameters in the query, beside those of token_url, and no body", async (t) => {
  const issuer = await startIssuer(t, OK);
  await acquire(t, "client_credentials", {
    settings: {
      token_url: `${issuer.url}?v=2`,
      client_id: "demo",
      client_auth: "client_secret_basic",
      token_method: "GET",
      extra: { a: ["1", "2"] },
    },
    secrets,
  });
  const [request] = issuer.requests;
  t.is(request!.method, "GET");
  t.is(request!.body, "");
  t.regex(request!.path, /\?v=2&grant_type=client_credentials&a=1&a=2$/);
  t.is(request!.headers.authorization, `Basic ${btoa("demo:s3cret")}`);
  t.false("content-type" in request!.headers);
});

test("lists in a form repeat their name", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = {
    token_url: issuer.url,
    client_id: "demo",
    audience: ["a", "b"],
    extra: { x: [1, "{secret.client_secret}"] },
  };
  await acquire(t, "client_credentials", { settings, secrets });
  const { form } = issuer.requests[0]!;
  t.deepEqual(form.getAll("audience"), ["a", "b"]);
  t.deepEqual(form.getAll("x"), ["1", "s3cret"]);
  await acquire(t, "client_credentials", { settings, secrets, audience: "c" });
  t.deepEqual(issuer.requests[1]!.form.getAll("audience"), ["c"]);
});

test("a renewal goes to refresh_url with refresh_extra, and a refusal names that key", async (t) => {
  const issuer = await startIssuer(t, OK);
  const settings = {
    token_url: "https://elsewhere.invalid/token",
    refresh_url: issuer.url,
    extra: { device: "one", mode: "sign-in" },
    refresh_extra: { mode: "renew" },
  };
  await acquire(t, "refresh_token", { settings, secrets: { refresh_token: "r1" } });
  t.deepEqual(Object.fromEntries(issuer.requests[0]!.form), {
    grant_type: "refresh_token",
    refresh_token: "r1",
    device: "one",
    mode: "renew",
  });
  issuer.answer({ status: 404 });
  await t.throwsAsync(acquire(t, "refresh_token", { settings, secrets: { refresh_token: "r1" } }), {
    message: /refresh_url/,
  });
});

test("keys that contradict each other are refused", (t) => {
  const { schema } = grants.client_credentials;
  const base = { token_url: "https://a.example/token", client_id: "me" };
  const why = (more: object) => schema.safeParse({ ...base, ...more }).error?.message ?? "";
  t.regex(why({ token_method: "GET", token_format: "json" }), /token_format can't be json/);
  const both = { client_auth: "basic", token_headers: { Authorization: "x" } };
  t.regex(why(both), /both write the Authorization header/);
  t.regex(why({ token_headers: { "content-length": "1" } }), /a header that authd writes itself/);
  t.is(why({ client_auth: "none", token_headers: { Authorization: "x" } }), "");
});

test("an error quotes no digest of a secret that was sent", async (t) => {
  const issuer = await startIssuer(t, ({ form }) => ({
    status: 400,
    json: { error: "invalid_client", error_description: `wrong ${form.get("hash")}` },
  }));
  const settings = {
    token_url: issuer.url,
    client_id: "demo",
    extra: { hash: "{secret.client_secret|sha256}" },
  };
  const error = await t.throwsAsync(acquire(t, "client_credentials", { settings, secrets }));
  t.true((issuer.requests[0]!.form.get("hash") ?? "").length === 64);
  t.false(error.message.includes(issuer.requests[0]!.form.get("hash") ?? ""));
});
