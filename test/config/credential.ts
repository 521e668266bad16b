import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { parse } from "smol-toml";
import { render } from "../../src/base/template.ts";
import { resolveCredential } from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { createAuthority } from "../helpers/certificates.ts";
import { temporaryFolder } from "../helpers/folder.ts";

type File = Record<string, unknown>;

const resolve = (file: File, configDir = "/nowhere") =>
  resolveCredential("demo", file, {}, { configDir });

/** Refused with a message that names the credential and does not show a value. */
const refuses = test.macro((t, file: File, message: RegExp) => {
  const error = t.throws(() => resolve(file), { instanceOf: AuthdError, message });
  t.is(error?.reason, "invalid_params");
  t.is(error?.credential, "demo");
  t.regex(error?.message ?? "", /^Credential "demo": /);
  t.notRegex(error?.message ?? "", /hunter2/);
});

const client = {
  grant: "client_credentials",
  client_id: "me",
  token_url: "https://issuer.example",
};

test("a grant alone has working defaults", (t) => {
  t.like(resolve({ grant: "static" }), {
    name: "demo",
    grant: "static",
    origins: [],
    headers: { authorization: "Bearer {token}" },
    warm: "used",
    allowInsecureHttp: false,
    fields: {},
    rejectedOn: [],
    secrets: [{ name: "token", optional: false, label: "Token" }],
  });
});

test("neither preset nor grant", refuses, {}, /either preset = .* or grant = /);
test("both", refuses, { preset: "labelf", grant: "static" }, /either preset/);
test("an unknown grant", refuses, { grant: "sttic" }, /no grant "sttic"\. Did you mean "static"/);
test("a grant of Object's", refuses, { grant: "constructor" }, /no grant "constructor"/);
test("an unknown preset", refuses, { preset: "zebra" }, /Did you mean "zebbra"/);
test("an unknown key", refuses, { ...client, scop: "x" }, /no key "scop"\. Did you mean "scope"/);
test(
  "a key of another grant",
  refuses,
  { grant: "static", token_url: "https://x.example" },
  /no key "token_url"/,
);
test(
  "an unknown key of a table",
  refuses,
  { grant: "exchange", request: { uri: "https://x.example" }, response: { token: "text" } },
  /request\.url is missing\. .*no key "request\.uri"\. Did you mean "request\.url"/,
);
test(
  "an unknown field of a preset",
  refuses,
  { preset: "zebbra", user_name: "ada" },
  /no key "user_name"\. Did you mean "username"/,
);
test("a key of Object's", refuses, { grant: "static", toString: "x" }, /no key "toString"/);
test(
  "a missing key",
  refuses,
  { grant: "client_credentials" },
  /client_id is missing\. token_url is/,
);
test(
  "a missing field of a preset",
  refuses,
  { preset: "labelf" },
  /client_id is missing: set it, for example with --set client_id=/,
);
test(
  "a secret of the preset",
  refuses,
  { preset: "realtyna", api_key: "hunter2" },
  /api_key is a secret.*authd set ask for it, or read it with --secrets-from/,
);
test("a secret in the file", refuses, { ...client, client_secret: "hunter2" }, /is a secret/);
for (const key of ["password", "refresh_token", "token"]) {
  test(
    `a secret of another grant in the file: ${key}`,
    refuses,
    { ...client, [key]: "hunter2" },
    new RegExp(`There is no key "${key}", nor has this credential a secret of that name`),
  );
}
test(
  "a secret among the fields",
  refuses,
  { grant: "static", fields: { token: "hunter2" } },
  /fields\.token is a secret/,
);
test(
  "a value of the wrong type",
  refuses,
  { grant: "static", ttl: "hunter2" },
  /ttl: expected number/,
);
test("a lifetime of nothing", refuses, { grant: "static", ttl: 0 }, /ttl/);
test("a wrong choice", refuses, { grant: "static", warm: "hunter2" }, /warm: .*"used"\|"always"/);
test(
  "a day that is none",
  refuses,
  { grant: "static", secret_expires: "2027-02-31" },
  /secret_expires/,
);
test("a field with a number", refuses, { preset: "labelf", client_id: 7 }, /must be a string/);
test(
  "a field with a line break",
  refuses,
  { preset: "labelf", client_id: "hunter2\r\nx: y" },
  /client_id must not hold control characters/,
);
test(
  "a preset's field in [fields]",
  refuses,
  { preset: "labelf", fields: { client_id: "x" } },
  /write client_id outside/,
);

for (const [what, origin, message] of [
  ["a wildcard", "https://*.example.com", /admits nothing by itself/],
  ["a path", "https://api.example/v2", /without a path/],
  ["a query", "https://api.example/?hunter2", /without a path/],
  ["a user", "https://hunter2@api.example", /user name or password/],
  ["a file", "file:///etc/passwd", /absolute URL/],
  ["another scheme", "ftp://api.example", /absolute URL/],
  ["no scheme", "api.example", /absolute URL/],
  ["plain http", "http://api.example", /must be https.*allow_insecure_http/],
  ["a look-alike of loopback", "http://127.0.0.1.example", /must be https/],
  ["a look-alike of localhost", "http://localhost.example", /must be https/],
  ["an IPv6 address that maps loopback", "http://[::ffff:127.0.0.1]", /must be https/],
] as const) {
  test(`an origin with ${what}`, refuses, { grant: "static", origins: [origin] }, message);
}

test("origins are spelt as URL.origin does, each once", (t) => {
  const { origins } = resolve({
    grant: "static",
    origins: [
      "HTTPS://API.example:443/",
      "https://api.example",
      "https://bücher.example",
      "http://127.0.0.1:80",
      "http://[::1]:8080",
      "http://localhost:8000/",
    ],
  });
  t.deepEqual(origins, [
    "https://api.example",
    "https://xn--bcher-kva.example",
    "http://127.0.0.1",
    "http://[::1]:8080",
    "http://localhost:8000",
  ]);
});

test(
  "a token URL over plain http",
  refuses,
  { ...client, token_url: "http://issuer.example" },
  /token_url must be https/,
);
test(
  "a token URL with a password",
  refuses,
  { ...client, token_url: "https://me:hunter2@issuer.example" },
  /token_url must not hold a user name or password/,
);
test(
  "a request's URL over plain http, once its fields are filled in",
  refuses,
  {
    grant: "exchange",
    fields: { base: "http://issuer.example" },
    request: { url: "{base}/sign-in" },
    response: { token: "text" },
  },
  /request\.url must be https/,
);
test(
  "a secret in a request's host",
  refuses,
  {
    grant: "exchange",
    secrets: ["tenant"],
    request: { url: "https://{secret.tenant}.example/" },
    response: { token: "text" },
  },
  /must not have a secret, .* in its host/,
);
for (const url of [
  "https://{audience}/",
  "https://x.{scope}.example/",
  "https:{audience}/sign-in",
  "https:/{audience}/sign-in",
  "https:///{audience}/sign-in",
  "https:\\\\{audience}/sign-in",
  "{base}{audience}/sign-in",
  "{base}:{audience}/sign-in",
  "{base}:{audience}@evil.example/",
  "{scope}/sign-in",
  "{scope}://issuer.example/",
  "http{scope}://issuer.example/",
]) {
  test(
    `a caller's wish in a request's host: ${url}`,
    refuses,
    {
      grant: "exchange",
      fields: { base: "https://issuer.example" },
      request: { url },
      response: { token: "text" },
    },
    /request\.url/,
  );
}
test(
  "a verify request outside the origins",
  refuses,
  { grant: "static", origins: ["https://api.example"], verify: { url: "https://evil.example/" } },
  /verify\.url is outside the allowed origins/,
);

test("allow_insecure_http permits plain http for all of a credential's addresses", (t) => {
  const settings = resolve({
    ...client,
    allow_insecure_http: true,
    token_url: "http://issuer.example/token",
    origins: ["http://api.example"],
    verify: { url: "http://api.example/me" },
  });
  t.true(settings.allowInsecureHttp);
  t.deepEqual(settings.verify, { method: "GET", url: "http://api.example/me" });
});

test("a cloud's metadata service is asked for tokens over plain http; nothing else is sent there", (t) => {
  const metadata = "http://169.254.169.254";
  const exchange = { grant: "exchange", response: { token: "/t" } };
  const asks = (url: string) => () => resolve({ ...exchange, request: { url } });
  for (const host of ["169.254.169.254", "169.254.170.2", "metadata.google.internal"]) {
    t.notThrows(asks(`http://${host}/token`));
  }
  for (const host of ["169.254.169.254.example", "10.0.0.1", "metadata.google.internal.example"]) {
    t.throws(asks(`http://${host}/token`), { message: /request\.url must be https/ });
  }
  for (const file of [
    { ...client, token_url: `${metadata}/token` },
    { ...client, origins: [metadata] },
    { ...client, verify: { url: `${metadata}/me` } },
  ]) {
    t.throws(() => resolve(file), { message: /must be https/ });
  }
});

for (const [name, value, message] of [
  ["host", "evil.example", /headers\."host" describes the connection/],
  ["Content-Length", "3", /describes the connection/],
  ["connection", "close", /describes the connection/],
  ["Transfer-Encoding", "chunked", /describes the connection/],
  ["proxy-authorization", "hunter2", /describes the connection/],
  ["x y", "1", /is not a header name/],
  ["x-a", "hunter2\r\nx-b: 1", /line breaks/],
  ["x-a", "hunter2\0", /NUL/],
  ["x-a", "hunter2 €", /no HTTP header can carry/],
] as const) {
  test(
    `a header ${name}: ${JSON.stringify(value)}`,
    refuses,
    { grant: "static", headers: { [name]: value } },
    message,
  );
}
test(
  "a header twice",
  refuses,
  { grant: "static", headers: { "X-A": "1", "x-a": "2" } },
  /given twice/,
);

test("headers: names in lower case, fields filled in, token and secrets left to fill in", (t) => {
  const settings = resolve({
    grant: "static",
    headers: {
      Authorization: "Token {token}",
      "X-Api-Key": "{secret.api_key}",
      "X-Tenant": "{tenant} {{unknown}",
    },
    fields: { tenant: "acme" },
  });
  t.deepEqual(settings.headers, {
    authorization: "Token {token}",
    "x-api-key": "{secret.api_key}",
    "x-tenant": "acme {{unknown}",
  });
  t.deepEqual(
    settings.secrets.map(({ name }) => name),
    ["token", "api_key"],
  );
});

test("an empty header drops the preset's", (t) => {
  const { headers } = resolve({
    preset: "labelf",
    client_id: "me",
    headers: { authorization: "", "x-a": "1" },
  });
  t.deepEqual(headers, { "x-a": "1" });
});

test("a field can't smuggle a token into a header: its braces are no template", (t) => {
  const headers = { "x-a": "{a}", "x-b": "{b|basic}" };
  const settings = resolve({ grant: "static", fields: { a: "{token}{{", b: "me" }, headers });
  t.deepEqual(settings.headers, { "x-a": "{{token}{{", "x-b": "Basic bWU6" });
  t.is(render(settings.headers["x-a"] ?? "", { token: "secret" }), "{token}{{");
});

test("a field in a URL is percent-encoded, unless the URL hangs on it", (t) => {
  const settings = resolve({
    ...client,
    token_url: "{base}/{tenant}/token",
    fields: { base: "https://issuer.example", tenant: "a/b?c" },
  });
  t.like(settings.own, { token_url: "https://issuer.example/a%2Fb%3Fc/token" });
});

test("tables of a preset merge by key, lists replace", (t) => {
  const settings = resolve({
    preset: "onestepai",
    region: "eu",
    headers: { "x-a": "1" },
    rejected_statuses: [418],
    response: { expires_in: "/lifetime" },
  });
  t.deepEqual(settings.headers, { authorization: "Bearer {token}", "x-a": "1" });
  t.deepEqual(settings.rejectedOn, [{ status: 418 }]);
  t.like(settings.own, { response: { token: "text", expires_in: "/lifetime" } });
});

test("statuses and conditions that refuse a secret become one list; names are in lower case", (t) => {
  const { rejectedOn, renewOn } = resolve({
    ...client,
    rejected_statuses: [418],
    rejected_on: [{ body: { code: 7 }, header: { "X-Why": "Gone" } }],
    renew_on: [{ status: 403 }],
  });
  const condition = { body: { "/code": 7 }, header: { "x-why": "Gone" } };
  t.deepEqual(rejectedOn, [{ status: 418 }, condition]);
  t.deepEqual(renewOn, [{ status: 403 }]);
  const { binding } = resolve(client);
  t.is(resolve({ ...client, renew_on: renewOn, rejected_on: [condition] }).binding, binding);
});

test("query, cookie and body say where the token goes; then no header has it by default", (t) => {
  const { headers, placement, secrets } = resolve({
    ...client,
    fields: { tenant: "acme" },
    query: { api_key: "{token}", t: "{tenant}" },
    cookie: { key: "{secret.cookie_key}" },
  });
  t.deepEqual(headers, {});
  t.deepEqual(placement, {
    query: { api_key: "{token}", t: "acme" },
    cookie: { key: "{secret.cookie_key}" },
  });
  t.true(secrets.some(({ name }) => name === "cookie_key"));
  t.deepEqual(resolve({ ...client, query: { v: "2" } }).headers, {
    authorization: "Bearer {token}",
  });
  const dropped = resolve({ ...client, query: { api_key: "" } });
  t.is(dropped.placement, undefined);
});

test("follow takes origins and patterns, also of hosting services, and is bound", (t) => {
  const follow = ["https://*.s3.amazonaws.com", "https://files.example.com/"];
  const settings = resolve({ ...client, follow });
  t.deepEqual(settings.follow, ["https://*.s3.amazonaws.com", "https://files.example.com"]);
  const { binding } = resolve(client);
  t.not(settings.binding, binding);
  t.is(resolve({ ...client, follow: [] }).binding, binding);
  t.is(resolve({ ...client, follow: follow.toReversed() }).binding, settings.binding);
});

test(
  "follow to every host",
  refuses,
  { grant: "static", follow: ["https://*.com"] },
  /follow\[0\]/,
);
test(
  "follow over plain http",
  refuses,
  { grant: "static", follow: ["http://a.example"] },
  /follow\[0\] must be https/,
);
test(
  "follow to a path",
  refuses,
  { grant: "static", follow: ["https://a.example/b"] },
  /follow\[0\]/,
);

test("where the token goes is bound, and a file without those keys is bound as before", (t) => {
  const { binding } = resolve(client);
  t.is(resolve({ ...client, query: {} }).binding, binding);
  const headers = { authorization: "Bearer {token}" };
  for (const key of ["query", "cookie", "body"]) {
    t.not(resolve({ ...client, headers, [key]: { name: "{token}" } }).binding, binding, key);
  }
  const basic = { authorization: "{user|basic:token}" };
  const user = (name: string) => resolve({ ...client, headers: basic, fields: { user: name } });
  t.not(user("ada").binding, user("bob").binding);
});

test(
  "cookies in two places",
  refuses,
  { grant: "static", headers: { Cookie: "a=b" }, cookie: { c: "{token}" } },
  /headers\.cookie and cookie/,
);
test(
  "an undeclared name in a query",
  refuses,
  { grant: "static", query: { key: "{tokn}" } },
  /query\.key holds \{tokn\}.*Did you mean \{token\}/,
);
test(
  "a cookie's name with a space",
  refuses,
  { grant: "static", cookie: { "a b": "{token}" } },
  /cookie/,
);

test("secret_expires is a TOML date or text", (t) => {
  const date = parse('grant = "static"\nsecret_expires = 2027-01-31\n') as File;
  t.is(resolve(date).secretExpires, "2027-01-31");
  t.is(resolve({ grant: "static", secret_expires: "2027-01-31" }).secretExpires, "2027-01-31");
});

test("ca_file must be there, and hold a certificate", (t) => {
  const dir = temporaryFolder(t);
  const file = { grant: "static", ca_file: "ca.pem" };
  t.throws(() => resolve(file, dir), { message: /ca_file "ca\.pem" does not exist/ });
  writeFileSync(join(dir, "ca.pem"), "-----BEGIN PRIVATE KEY-----\n");
  t.throws(() => resolve(file, dir), { message: /is not a PEM file with a certificate/ });
  const [, base64 = ""] =
    /-----BEGIN CERTIFICATE-----([^-]*)-----/.exec(createAuthority().ca) ?? [];
  writeFileSync(join(dir, "ca.pem"), Buffer.from(base64, "base64"));
  t.throws(() => resolve(file, dir), {
    message:
      /ca_file "ca\.pem" is a certificate in DER, .*: openssl x509 -inform der -in \S+ca\.pem -out /,
  });
});

test("the binding changes with where secrets go, not with what is asked for", (t) => {
  const { binding } = resolve({ preset: "onestepai", region: "eu" });
  t.is(resolve({ preset: "onestepai", region: "eu", ttl: 60, warm: "always" }).binding, binding);
  t.not(resolve({ preset: "onestepai", region: "us" }).binding, binding);
  t.is(resolve({ ...client, scope: "a" }).binding, resolve(client).binding);
  t.is(resolve({ ...client, client_id: "b" }).binding, resolve(client).binding);
  t.not(resolve({ ...client, client_auth: "post" }).binding, resolve(client).binding);
});

test("JSON's __proto__ is refused", (t) => {
  for (const text of [
    '{"grant":"static","__proto__":{"warm":"always"}}',
    '{"grant":"static","headers":{"__proto__":"x"}}',
    '{"grant":"static","fields":{"__proto__":"x"}}',
  ]) {
    t.throws(() => resolve(JSON.parse(text)), { message: /"__proto__" is not allowed/ });
  }
});
