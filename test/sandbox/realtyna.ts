import test, { type ExecutionContext } from "ava";
import { type RealtynaOptions, startRealtyna } from "../../src/sandbox/realtyna.ts";

const START = Date.UTC(2026, 0, 1);

/** Each request for a token comes a second after the one before, unless `wait` says otherwise. */
async function realtyna(t: ExecutionContext, options: RealtynaOptions = {}) {
  let time = START;
  const api = await startRealtyna({ now: () => time, ...options });
  t.teardown(() => api.close());
  const text = (name: string) => String(api.credential.settings[name]);
  const id = text("client_id");
  const secret = api.credential.secrets.client_secret!;
  const right = basicOf(id, secret);
  const fields: Record<string, string> = options.newer
    ? { client_id: id, client_secret: secret }
    : { grant_type: "client_credentials", client_id: id };
  return {
    api,
    id,
    secret,
    right,
    fields,
    site: {
      "x-api-key": api.credential.secrets.api_key!,
      referer: text("referer"),
      origin: text("origin"),
    },
    pass: (ms: number) => {
      time += ms;
    },
    token: ({ authorization = options.newer ? "" : right, body = fields, wait = 1000 } = {}) => {
      time += wait;
      return fetch(text("token_url"), {
        method: "POST",
        headers: authorization ? { authorization } : {},
        body: new URLSearchParams(body),
      });
    },
    listings: (headers: Record<string, string>, query = "") =>
      fetch(`${text("api_url")}/reso/odata/Property${query}`, { headers }),
  };
}

const basicOf = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const tokenOf = async (response: Response) =>
  ((await response.json()) as { access_token: string }).access_token;

test("wants id and secret by Basic as they stand, and the id in the body as well", async (t) => {
  const { token, id, secret, fields } = await realtyna(t);
  const response = await token();
  const { access_token, ...rest } = (await response.json()) as Record<string, unknown>;
  t.is(response.status, 200);
  t.is(typeof access_token, "string");
  t.deepEqual(rest, { expires_in: 3600, token_type: "Bearer" });
  const encoded = basicOf(encodeURIComponent(id), encodeURIComponent(secret));
  t.is((await token({ authorization: encoded })).status, 401);
  t.is((await token({ body: { grant_type: "client_credentials" } })).status, 400);
  t.is((await token({ body: { client_id: id } })).status, 400);
  t.is((await token({ body: { ...fields, client_secret: secret } })).status, 400);
  t.is((await token({ body: { ...fields, client_id: "practice-other" } })).status, 401);
});

test("newer servers take id and secret in the body, and nothing by Basic", async (t) => {
  const { api, token, right, fields } = await realtyna(t, { newer: true });
  const response = await token();
  t.is(((await response.json()) as { expires_in: number }).expires_in, 86_400);
  t.is((await token({ body: { ...fields, grant_type: "client_credentials" } })).status, 200);
  t.is((await token({ body: { ...fields, grant_type: "password" } })).status, 400);
  t.is((await token({ authorization: right })).status, 400);
  t.is((await token({ body: { ...fields, client_secret: "practice-wrong" } })).status, 401);
  t.is(api.credential.settings.client_auth, "post");
});

test("wants the token alone in its header, and x-api-key, Referer and Origin beside it", async (t) => {
  const { token, listings, site } = await realtyna(t);
  const authorization = await tokenOf(await token());
  const page = await listings({ ...site, authorization }, "?$top=2&$select=ListingKey");
  t.is(page.status, 200);
  const body = (await page.json()) as Record<string, unknown>;
  t.deepEqual(body.value, [{ ListingKey: "PRACTICE0001" }, { ListingKey: "PRACTICE0002" }]);
  t.is(
    (await fetch(String(body["@odata.nextLink"]), { headers: { ...site, authorization } })).status,
    200,
  );
  t.is((await listings({ ...site, authorization }, "('PRACTICE0003')")).status, 200);
  t.is((await listings({ ...site, authorization: `Bearer ${authorization}` })).status, 401);
  for (const missing of Object.keys(site)) {
    const headers = Object.entries({ ...site, authorization }).filter(([name]) => name !== missing);
    t.is((await listings(Object.fromEntries(headers))).status, 403, missing);
  }
});

test("with the scheme of newer pages, the token alone is refused", async (t) => {
  const { api, token, listings, site } = await realtyna(t, { scheme: "bearer" });
  const accessToken = await tokenOf(await token());
  t.is((await listings({ ...site, authorization: `Bearer ${accessToken}` })).status, 200);
  t.is((await listings({ ...site, authorization: accessToken })).status, 401);
  t.is(api.credential.settings.scheme, "bearer");
});

test("refuses an expired token", async (t) => {
  const { token, listings, site, pass } = await realtyna(t);
  const authorization = await tokenOf(await token());
  pass(3_600_000);
  t.is((await listings({ ...site, authorization })).status, 401);
});

test("answers one request a second for a token, and 429 to faster ones", async (t) => {
  const { token } = await realtyna(t);
  t.is((await token()).status, 200);
  const fast = await token({ wait: 400 });
  t.is(fast.status, 429);
  t.is(fast.headers.get("retry-after"), "1");
  t.is((await token({ wait: 600 })).status, 200);
});

test("bad credentials three times block the client for an hour, with a firewall's page", async (t) => {
  const { token, id, pass } = await realtyna(t);
  const wrong = { authorization: basicOf(id, "practice-wrong") };
  t.is((await token(wrong)).status, 401);
  t.is((await token(wrong)).status, 401);
  t.is((await token(wrong)).status, 401);
  const blocked = await token();
  t.is(blocked.status, 403);
  t.regex(blocked.headers.get("content-type") ?? "", /html/);
  pass(3_600_000);
  t.is((await token()).status, 200);
});
