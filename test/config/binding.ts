import test from "ava";
import { type BindingParts, bindingOf } from "../../src/config/binding.ts";
import { resolveCredential } from "../../src/config/config.ts";

const digestOf = (of: BindingParts) => bindingOf(of).digest;

const parts: BindingParts = {
  grant: "exchange",
  own: {
    request: { method: "POST", url: "https://issuer.example/{tenant}", form: { a: "1", b: "2" } },
    response: { token: "/token" },
    client_auth: "basic",
    token_url: "https://issuer.example/token",
  },
  origins: ["https://api.example", "https://other.example"],
  headers: { authorization: "Bearer {token}", "x-api-key": "{secret.key}" },
  fields: { tenant: "acme", note: "anything" },
  ca: "PEM",
  allowInsecureHttp: false,
  register: {
    url: "https://issuer.example/register",
    json: { a: "{user}" },
    generates: "password",
  },
};

const own = (changes: Record<string, unknown>): Partial<BindingParts> => ({
  own: { ...parts.own, ...changes },
});

test("a binding is a SHA-256 in base64url", (t) => {
  t.regex(digestOf(parts), /^[\w-]{43}$/);
});

test("a file from before is bound as it was", (t) => {
  const file = {
    grant: "exchange",
    secrets: ["key"],
    request: { url: "https://issuer.example/token", form: { key: "{secret.key}" } },
    response: { token: "/token" },
    origins: ["https://api.example"],
  };
  const { binding } = resolveCredential("demo", file, {}, { configDir: "/nowhere" });
  t.is(binding, "IL9lYaNM3ovkAtKioYhdXZ6zPgjvW__o7QZ2jpJJV18");
});

test("the standard name of a client authentication is bound as the short one", (t) => {
  const file = { grant: "client_credentials", token_url: "https://a.example", client_id: "me" };
  const digest = (client_auth: string) =>
    resolveCredential("demo", { ...file, client_auth }, {}, { configDir: "/nowhere" }).binding;
  t.is(digest("client_secret_post"), digest("post"));
  t.is(digest("client_secret_basic"), digest("basic"));
});

const redirecting: Record<string, Partial<BindingParts>> = {
  "the grant": { grant: "password" },
  "the token URL": own({ token_url: "https://evil.example/token" }),
  "the request": own({ request: { method: "POST", url: "https://evil.example" } }),
  "how the client signs in": own({ client_auth: "post" }),
  "extra parameters": own({ extra: { copy: "{secret.key}" } }),
  "a header of token requests": own({ token_headers: { "x-copy": "{secret.key}" } }),
  "the URL of renewals": own({ refresh_url: "https://evil.example" }),
  "a parameter of renewals": own({ refresh_extra: { copy: "{secret.key}" } }),
  "a key of a grant yet to be written": own({ device_url: "https://evil.example" }),
  "an origin": { origins: ["https://evil.example"] },
  "a header": { headers: { ...parts.headers, "x-copy": "{secret.key}" } },
  "a field that the request names": { fields: { ...parts.fields, tenant: "evil" } },
  "the private CA": { ca: "another PEM" },
  "no private CA": { ca: undefined },
  "plain http": { allowInsecureHttp: true },
  "where an account is made": {
    register: { url: "https://evil.example", json: {}, generates: "password" },
  },
};

for (const [what, change] of Object.entries(redirecting)) {
  test(`another binding: ${what}`, (t) => {
    t.not(digestOf({ ...parts, ...change }), digestOf(parts));
  });
}

test("the same binding: what is asked for, and fields that no template names", (t) => {
  for (const change of [
    own({ scope: "read" }),
    own({ audience: "https://api.example" }),
    own({ single_access_token: true }),
    own({ single_access_token: undefined }),
    own({ resource: ["https://api.example"] }),
    own({ client_id: "another" }),
    own({ username: "another" }),
    own({ response: { token: "text" } }),
    { fields: { ...parts.fields, note: "edited" } },
    { origins: ["https://other.example", "https://api.example"] },
  ]) {
    t.is(digestOf({ ...parts, ...change }), digestOf(parts), JSON.stringify(change));
  }
});

test("with a policy what is asked for counts, too, and the request that tries it", (t) => {
  const guarded = { ...parts, policy: { expose: "request" } };
  for (const change of [
    own({ scope: "admin" }),
    own({ response: { token: "text" } }),
    { verify: { method: "POST", url: "https://api.example/pay" } },
  ]) {
    t.not(digestOf({ ...guarded, ...change }), digestOf(guarded), JSON.stringify(change));
  }
  const verify = { method: "GET", url: "https://api.example/me" };
  t.is(digestOf({ ...parts, verify }), digestOf(parts));
});

test("the order of keys does not matter, the place of values does", (t) => {
  const reversed = (value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? value
      : Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, member]) => [key, reversed(member)]),
        );
  t.is(digestOf(reversed(parts) as BindingParts), digestOf(parts));
  const swapped = {
    ...parts.headers,
    authorization: "{secret.key}",
    "x-api-key": "Bearer {token}",
  };
  t.not(digestOf({ ...parts, headers: swapped }), digestOf(parts));
});
