import test from "ava";
import { assertUsablePreset } from "../../src/config/check-preset.ts";
import { resolveCredential } from "../../src/config/config.ts";
import { presetNamed } from "../../src/config/preset.ts";
import { shippedPresets } from "../../src/config/presets.ts";
import type { CredentialSettings } from "../../src/config/settings.ts";
import { AuthdError } from "../../src/errors.ts";

const shipped = shippedPresets();

const resolve = (file: Record<string, unknown>): CredentialSettings =>
  resolveCredential("demo", file, {}, { configDir: "/nowhere" });

test("four presets are shipped, each with a title, where its keys are made, and its fields", (t) => {
  t.deepEqual([...shipped.byName.keys()], ["labelf", "onestepai", "realtyna", "zebbra"]);
  const fields = (name: string) =>
    presetNamed(name, shipped).fields.map((field) => `${field.name}${field.secret ? "*" : ""}`);
  t.deepEqual(fields("labelf"), ["client_id", "client_secret*", "token_url"]);
  t.deepEqual(fields("onestepai"), ["api_token*", "region", "base_url"]);
  t.deepEqual(fields("zebbra"), ["username", "password*", "otp_secret*", "base_url", "token_path"]);
  t.deepEqual(fields("realtyna"), [
    "client_id",
    "client_secret*",
    "api_key*",
    "token_url",
    "referer",
    "origin",
    "api_url",
    "scheme",
  ]);
  for (const preset of shipped.byName.values()) {
    t.truthy(preset.title);
    t.truthy(preset.keys.hint);
    for (const field of preset.fields) t.truthy(field.label);
  }
});

test("labelf: client credentials at its own issuer, for both of its API hosts", (t) => {
  const settings = resolve({ preset: "labelf", client_id: "me" });
  t.is(settings.grant, "client_credentials");
  t.like(settings.own, {
    token_url: "https://auth.app.labelf.ai/oauth2/token",
    client_id: "me",
    client_auth: "basic",
  });
  t.deepEqual(settings.origins, ["https://api.app.labelf.ai", "https://api.labelf.ai"]);
  t.deepEqual(settings.headers, { authorization: "Bearer {token}" });
  t.deepEqual(settings.verify, { method: "GET", url: "https://api.app.labelf.ai/v2/models" });
  t.deepEqual(
    settings.secrets.map(({ name, optional }) => ({ name, optional })),
    [{ name: "client_secret", optional: false }],
  );
});

test("labelf: with another origin, the verify request goes there", (t) => {
  const settings = resolve({
    preset: "labelf",
    client_id: "me",
    token_url: "http://127.0.0.1:4001/oauth2/token",
    origins: ["http://127.0.0.1:4002"],
  });
  t.like(settings.own, { token_url: "http://127.0.0.1:4001/oauth2/token" });
  t.deepEqual(settings.verify, { method: "GET", url: "http://127.0.0.1:4002/v2/models" });
});

test("onestepai: a sign-in whose body is the API token as one JSON string", (t) => {
  const settings = resolve({ preset: "onestepai", region: "us" });
  t.is(settings.grant, "exchange");
  t.like(settings.own, {
    request: {
      method: "POST",
      url: "https://app-us.onestepai.com/api/Users/SignIn",
      json: "{secret.api_token}",
    },
    response: { token: "text" },
  });
  t.deepEqual(settings.origins, ["https://app-us.onestepai.com"]);
  t.deepEqual(settings.verify, { method: "GET", url: "https://app-us.onestepai.com/api/Users" });
  t.deepEqual(settings.rejectedOn, [{ status: 400 }, { status: 401 }]);
  t.deepEqual(
    settings.secrets.map(({ name, label }) => ({ name, label })),
    [{ name: "api_token", label: "API token" }],
  );
});

test("onestepai: a base URL replaces the region, its trailing slash does not matter", (t) => {
  const settings = resolve({ preset: "onestepai", base_url: "http://localhost:4003/api/" });
  t.like(settings.own, { request: { url: "http://localhost:4003/api/Users/SignIn" } });
  t.deepEqual(settings.origins, ["http://localhost:4003"]);
  t.throws(() => resolve({ preset: "onestepai" }), {
    instanceOf: AuthdError,
    message: /region is missing \(eu or us\)/,
  });
  t.throws(() => resolve({ preset: "onestepai", region: "EU" }), { message: /one of eu, us/ });
});

test("onestepai: the older sign-in is an override of its request", (t) => {
  const settings = resolve({
    preset: "onestepai",
    region: "eu",
    request: { method: "GET", url: "{base_url}/Users/SignIn?token={secret.api_token}", text: "" },
  });
  const { request } = settings.own as { request: Record<string, unknown> };
  t.is(request.url, "https://app-eu.onestepai.com/api/Users/SignIn?token={secret.api_token}");
  t.is(request.method, "GET");
  t.false("json" in request);
});

test("zebbra: a sign-in form without a grant type or a client", (t) => {
  const settings = resolve({
    preset: "zebbra",
    username: "ada",
    base_url: "http://localhost:8000",
  });
  t.is(settings.grant, "password");
  t.like(settings.own, {
    token_url: "http://localhost:8000/token",
    username: "ada",
    send_grant_type: false,
    otp_field: "otp",
  });
  t.deepEqual(settings.verify, { method: "GET", url: "http://localhost:8000/user" });
  t.is(settings.register?.url, "http://localhost:8000/register");
  t.is(settings.register?.generates, "password");
  t.is(settings.register?.json.password, "{secret.password}");
  t.deepEqual(
    settings.secrets.map(({ name, optional }) => ({ name, optional })),
    [
      { name: "password", optional: false },
      { name: "otp_secret", optional: true },
    ],
  );
  t.deepEqual(settings.rejectedOn, [{ status: 401 }]);
});

test("zebbra: what stands before the token's path stands before register too, and the user is at the root", (t) => {
  const settings = resolve({
    preset: "zebbra",
    username: "ada",
    base_url: "https://zebbra.example/app",
    token_path: "/auth/token/",
  });
  t.like(settings.own, { token_url: "https://zebbra.example/app/auth/token" });
  t.is(settings.verify?.url, "https://zebbra.example/app/user");
  t.is(settings.register?.url, "https://zebbra.example/app/auth/register");
  t.deepEqual(settings.origins, ["https://zebbra.example"]);
});

test("zebbra: rules stay bound to the verify request of before, unless a file has its own", (t) => {
  const file = {
    ...{ preset: "zebbra", username: "ada", base_url: "https://zebbra.example" },
    ...{ token_path: "/auth/token", expose: "request" },
  };
  const verify = { method: "GET", url: "https://zebbra.example/auth/user" };
  t.is(resolve(file).verify?.url, "https://zebbra.example/user");
  t.is(resolve(file).binding, resolve({ ...file, verify }).binding);
  t.not(
    resolve(file).binding,
    resolve({ ...file, verify: { url: "https://zebbra.example/x" } }).binding,
  );
});

test("realtyna: the token alone in its header, and headers for what is given only", (t) => {
  const file = { preset: "realtyna", client_id: "me", token_url: "https://auth.example/token" };
  const settings = resolve(file);
  t.like(settings.own, { token_url: "https://auth.example/token", client_auth: "basic_raw+post" });
  t.deepEqual(settings.headers, { authorization: "{token}", "x-api-key": "{secret.api_key}" });
  t.deepEqual(settings.verify, {
    method: "GET",
    url: "https://api.realtyfeed.com/reso/odata/Property?$top=1",
  });
  const full = resolve({
    ...file,
    scheme: "bearer",
    referer: "https://site.example/",
    origin: "https://site.example",
    api_url: "http://127.0.0.1:4004",
  });
  t.deepEqual(full.headers, {
    authorization: "Bearer {token}",
    "x-api-key": "{secret.api_key}",
    referer: "https://site.example/",
    origin: "https://site.example",
  });
  t.deepEqual(full.origins, ["http://127.0.0.1:4004"]);
  t.throws(() => resolve({ preset: "realtyna", client_id: "me" }), {
    message: /token_url is missing/,
  });
});

test("a shipped preset has no mistake that one of a person's own would be refused for", (t) => {
  for (const { verify_before: _shippedOnly, ...preset } of shipped.byName.values())
    t.notThrows(() => assertUsablePreset(preset));
});

test("an unknown preset is named, with the nearest one", (t) => {
  t.throws(() => presetNamed("lablf", shipped), { message: /"lablf".* Did you mean "labelf"\?/ });
  t.throws(() => presetNamed("constructor", shipped), { message: /Presets: labelf, onestepai/ });
});
