import test from "ava";
import { parse } from "smol-toml";
import {
  coerceSettings,
  credentialFileText,
  resolveCredential,
  shippedPresets,
  updateCredentialFile,
} from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";

const exchange = { grant: "exchange" };
const presets = shippedPresets();
const coerce = (file: Record<string, unknown>, settings: Record<string, unknown>) =>
  coerceSettings(file, settings, presets);

test("text becomes what its place wants", (t) => {
  t.deepEqual(
    coerce(exchange, {
      ttl: "60",
      allow_insecure_http: "true",
      origins: "https://a.example, https://b.example",
      rejected_statuses: "400,401",
      rejected_on: '{"body":{"/code":401}}',
      renew_on: '[{"status":403},{"status":419}]',
      warm: "always",
      secrets: "api_token",
    }),
    {
      grant: "exchange",
      ttl: 60,
      allow_insecure_http: true,
      origins: ["https://a.example", "https://b.example"],
      rejected_statuses: [400, 401],
      rejected_on: [{ body: { "/code": 401 } }],
      renew_on: [{ status: 403 }, { status: 419 }],
      warm: "always",
      secrets: ["api_token"],
    },
  );
});

test("a value to keep is a place, or a table with one", (t) => {
  t.deepEqual(
    coerce(exchange, {
      "response.keep.api": "instance_url",
      "response.keep.session.from": "cookie:session",
      "response.keep.session.secret": "true",
    }),
    {
      grant: "exchange",
      response: {
        keep: { api: "instance_url", session: { from: "cookie:session", secret: true } },
      },
    },
  );
});

test("dotted keys become tables; a header's or field's name keeps its dots", (t) => {
  t.deepEqual(
    coerce(exchange, {
      "request.url": "https://issuer.example",
      "request.json": '{"a": "{secret.x}", "b": 1}',
      "headers.x.y": "1",
      "fields.a": "2",
      verify: { url: "https://api.example" },
      "verify.method": "HEAD",
    }),
    {
      grant: "exchange",
      request: { url: "https://issuer.example", json: { a: "{secret.x}", b: 1 } },
      headers: { "x.y": "1" },
      fields: { a: "2" },
      verify: { url: "https://api.example", method: "HEAD" },
    },
  );
  t.deepEqual(coerce(exchange, { "request.json.a.b": "c" }), {
    grant: "exchange",
    request: { json: { a: { b: "c" } } },
  });
});

test("a template is text, though it begins with a brace", (t) => {
  t.deepEqual(coerce(exchange, { "request.json": "{secret.api_token}" }), {
    grant: "exchange",
    request: { json: "{secret.api_token}" },
  });
});

test("what has its type already passes, and so does null", (t) => {
  const settings = { ttl: 60, origins: ["https://a.example"], warm: null };
  t.deepEqual(coerce(exchange, settings), { grant: "exchange", ...settings });
});

test("text that fits nowhere stays, for the schema to refuse", (t) => {
  const file = coerce({ grant: "static" }, { ttl: "soon", allow_insecure_http: "maybe" });
  t.throws(() => resolveCredential("demo", file, {}, { configDir: "/nowhere" }), {
    message: /ttl: expected number.*allow_insecure_http: expected boolean/,
  });
});

test("a preset's fields stay text, though they look like numbers", (t) => {
  t.deepEqual(coerce({ preset: "labelf" }, { client_id: "42" }), {
    preset: "labelf",
    client_id: "42",
  });
});

test("unknown keys, secrets, another preset and __proto__ are refused", (t) => {
  for (const [settings, message] of [
    [{ regoin: "eu" }, /no key "regoin"\. Did you mean "region"/],
    [{ api_token: "hunter2" }, /api_token is a secret/],
    [{ preset: "labelf" }, /preset can't be changed/],
    [{ "headers.__proto__": "x" }, /"__proto__" is not allowed/],
    [JSON.parse('{"__proto__": {"ttl": 1}}'), /"__proto__" is not allowed/],
  ] as const) {
    const error = t.throws(() => coerce({ preset: "onestepai" }, settings), {
      instanceOf: AuthdError,
      message,
    });
    t.notRegex(error?.message ?? "", /hunter2/);
  }
});

test("changes: tables merge by key, lists replace, null removes", (t) => {
  const file = {
    grant: "exchange",
    ttl: 60,
    origins: ["https://a.example", "https://b.example"],
    request: { url: "https://issuer.example", json: "{secret.a}" },
    headers: { "x-a": "1" },
    verify: { method: "GET", url: "https://a.example" },
  };
  const changes = {
    ttl: null,
    origins: ["https://c.example"],
    request: { text: "{secret.a}" },
    headers: { "x-a": null },
    verify: { method: "HEAD" },
  };
  t.deepEqual(updateCredentialFile(file, changes), {
    grant: "exchange",
    origins: ["https://c.example"],
    request: { url: "https://issuer.example", text: "{secret.a}" },
    verify: { method: "HEAD", url: "https://a.example" },
  });
  t.is(file.ttl, 60);
});

test("the text of a file reads back as the same, with a comment on top and the kind first", (t) => {
  const file = {
    headers: { "x a": 'quo"te\\' },
    ttl: 60,
    client_id: "näme\u{1f600}",
    preset: "labelf",
    origins: ["https://a.example"],
  };
  const text = credentialFileText(file);
  t.deepEqual(JSON.parse(JSON.stringify(parse(text))), file);
  t.regex(text, /^# .*\n# .*\npreset = "labelf"\n/);
});

test("what TOML can't hold is refused, or left out, before it is written", (t) => {
  const refused = (settings: Record<string, unknown>) =>
    t.throws(() => coerce(exchange, settings), { instanceOf: AuthdError })?.message;
  t.regex(refused({ "request.json": "[1, null]" }) ?? "", /list can't hold null/);
  t.regex(refused({ "request.json": { a: [null] } }) ?? "", /list can't hold null/);
  const inList = coerce(exchange, { "request.json": '[{"a": null, "b": 1}]' });
  t.deepEqual(parse(credentialFileText(inList)).request, { json: [{ b: 1 }] });
});

test("settings that are nested without end are refused", (t) => {
  const deep = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
  for (const settings of [
    { "request.json": deep },
    { "request.json": JSON.parse(deep) },
    { [`request.json${".a".repeat(100_000)}`]: "1" },
  ]) {
    t.throws(() => coerce(exchange, settings), { message: /64 tables and lists deep/ });
  }
});
