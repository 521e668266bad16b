import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import { shippedPresets } from "../../src/config/presets.ts";

const resolve = (file: Record<string, unknown>) =>
  resolveCredential("demo", file, {}, { configDir: "/nowhere" });

const exchange = (request: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  grant: "exchange",
  secrets: ["api_token"],
  request: { url: "https://issuer.example/token", ...request },
  response: { token: "/token" },
  ...more,
});

const client = { grant: "client_credentials", client_id: "me" };

/** Refused files, with the beginning of what is said. */
const refused: [title: string, file: Record<string, unknown>, message: RegExp][] = [
  [
    "a header's misspelt token",
    { grant: "static", headers: { authorization: "Bearer {tokn}" } },
    /^Credential "demo": headers\.authorization holds \{tokn\}, but nothing here is named tokn\. Did you mean \{token\}\? A brace that is meant is written \{\{\.$/,
  ],
  [
    "a secret that is not listed",
    exchange({ json: { deep: [{ key: "{secret.api_tokn}" }] } }),
    /request\.json\.deep\[1\]\.key holds \{secret\.api_tokn\}.* Did you mean \{secret\.api_token\}\?/,
  ],
  ["a request's header", exchange({ headers: { "x-a": "{nope}" } }), /request\.headers\.x-a /],
  ["a token where there is none yet", exchange({ form: { key: "{token}" } }), /request\.form\.key/],
  ["a request's text", exchange({ text: "query {viewer}" }), /request\.text holds \{viewer\}/],
  ["a request's URL", exchange({ url: "https://a.example/{tenat}" }), /request\.url holds/],
  [
    "a URL, with the nearest field",
    { ...client, token_url: "https://{tenat}.example/", fields: { tenant: "acme" } },
    /token_url holds \{tenat\}.* Did you mean \{tenant\}\?/,
  ],
  [
    "an extra parameter",
    { ...client, token_url: "https://a.example", extra: { a: "{x}" } },
    /extra\.a/,
  ],
  ["a plain key", { ...client, token_url: "https://a.example", scope: "{x}" }, /scope holds \{x\}/],
  [
    "the request of authd test",
    { grant: "static", origins: ["https://a.example"], verify: { url: "https://a.example/{id}" } },
    /verify\.url holds \{id\}/,
  ],
  ["an origin", { grant: "static", origins: ["https://{host}"] }, /origins holds \{host\}/],
  [
    "a secret in a URL that takes none",
    { ...client, token_url: "https://a.example/{secret.client_secret}" },
    /token_url holds \{secret\.client_secret\}/,
  ],
  [
    "a misspelt prefix",
    exchange({ form: { a: "{secrets.api_token}" } }),
    /Did you mean \{secret\.api_token\}\?/,
  ],
  [
    "double braces",
    exchange({ form: { a: "{{secret.api_token}}" } }),
    /write \{secret\.api_token\}/,
  ],
  [
    "an unknown function",
    exchange({ form: { a: "{secret.api_token|sha265}" } }),
    /there is no function sha265\. Did you mean "sha256"\?/,
  ],
  [
    "an unknown value of a function",
    exchange({ form: { a: "{secret.api_token|hmac_sha256:secret.kye}" } }),
    /nothing here is named secret\.kye/,
  ],
  [
    "a function without its value",
    exchange({ form: { a: "{secret.api_token|hmac_sha256}" } }),
    /hmac_sha256 needs a value/,
  ],
  [
    "a function with a value too many",
    exchange({ form: { a: "{secret.api_token|hex:now}" } }),
    /hex takes no value/,
  ],
  [
    "a one-time code in a header that is made once for each token",
    { grant: "static", headers: { "x-code": "{secret.otp|totp}" } },
    /totp works in token requests only/,
  ],
  ...[
    ["{secret.api_token|sha-256|hex}", /there is no function sha-256\. Did you mean "sha256"\?/],
    ["{secret.api_token|hmac-sha256:scope}", /no function hmac-sha256\..*"hmac_sha256"/],
    ["{secret.api_token|hmac_sha256:}", /hmac_sha256 needs a value/],
    ["{secret.api_token|hmac_sha256: scope}", /nothing here is named {2}scope\. Did you mean/],
    ["{secret.api_token|hmac_sha256:secret.a b}", /nothing here is named secret\.a b/],
    ["{secret.api_token||hex}", /a function is missing after \|/],
    ["{secret.api_token|}", /a function is missing after \|/],
    ["{secret:api_token}", /holds \{secret:api_token\}.* Did you mean \{secret\.api_token\}\?/],
    ["{secret..api_token}", /Did you mean \{secret\.api_token\}\? A brace that is meant/],
    ["{secret.api_token }", /Did you mean \{secret\.api_token\}\?/],
    ["{ secret.api_token }", /Did you mean \{secret\.api_token\}\?$/],
    ["{secret.api_token", /holds \{secret\.api_token, which/],
    ["{secret:api_tokn|hex}", /Did you mean \{secret\.api_token\}\?/],
    ["{kept:api}", /holds \{kept:api\}/],
    ["{token }", /holds \{token \}/],
    ["{scope.}", /holds \{scope\.\}.* Did you mean \{scope\}\?/],
    ["a{{{scope:1}", /holds \{scope:1\}/],
    ["{viewer|sha 256}", /nothing here is named viewer/],
  ].map(([text, message]): (typeof refused)[number] => [
    `${text}, which is nearly a template`,
    exchange({ text }),
    message as RegExp,
  ]),
  [
    "a header's secret with a colon",
    { grant: "static", headers: { "x-key": "{secret:any}" } },
    /headers\.x-key holds \{secret:any\}.* Did you mean \{secret\.any\}\?/,
  ],
  ["the time in such a header", { grant: "static", headers: { "x-at": "{now}" } }, /named now/],
];

/** A sequence of a nonce and a sign-in. */
const sequence = (second: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  grant: "exchange",
  secrets: ["api_token"],
  steps: [
    { url: "https://a.example/nonce", take: { nonce: "/nonce", host: "/host" } },
    { url: "https://a.example/login", ...second },
  ],
  response: { token: "/token" },
  ...more,
});

refused.push(
  [
    "a value that a later step takes",
    { ...sequence({}), steps: [{ url: "https://a.example/{nonce}", take: { nonce: "/n" } }] },
    /steps\[1\]\.url holds \{nonce\}/,
  ],
  [
    "a value of another step, misspelt",
    sequence({ json: { n: "{nonse}" } }),
    /steps\[2\]\.json\.n holds \{nonse\}.* Did you mean \{nonce\}\?/,
  ],
  [
    "a value that stands further down",
    sequence({ values: { a: "{b}", b: "1" } }),
    /steps\[2\]\.values\.a holds \{b\}/,
  ],
  [
    "a value of an answer as the host of a request",
    sequence({ url: "https://{host}/login" }),
    /steps\[2\]\.url must not have a secret, a value of an answer/,
  ],
  [
    "a value of an answer as a whole address",
    sequence({ url: "{host}/login" }),
    /steps\[2\]\.url must not have a secret, a value of an answer.* Its host is text, or a field/,
  ],
  [
    "a name that there is already",
    sequence({ values: { tenant: "x" } }, { fields: { tenant: "acme" } }),
    /steps\[2\]\.values\.tenant is a name that there is already/,
  ],
  [
    "a code that is made of something else than a secret",
    sequence({ json: { code: "{nonce|totp}" } }),
    /totp is made of a secret alone/,
  ],
  [
    "a renewal without a secret that it sends",
    sequence({}, { renew: { url: "https://a.example/refresh" } }),
    /renew: needs rotates/,
  ],
  [
    "a grace for what does not rotate",
    sequence({}, { reuse_grace: 30 }),
    /reuse_grace: needs rotates/,
  ],
  [
    "a rotating secret that nobody gives",
    sequence({}, { rotates: { refresh: "/refresh" } }),
    /rotates: names what is not one of secrets/,
  ],
  [
    "a renewal's misspelt secret",
    sequence(
      {},
      { rotates: { refresh: "/r" }, renew: { url: "https://a.example", text: "{secret.refrsh}" } },
    ),
    /renew\.text holds \{secret\.refrsh\}.* Did you mean \{secret\.refresh\}\?/,
  ],
  [
    "steps beside a request",
    sequence({}, { request: { url: "https://a.example" } }),
    /has both request and steps/,
  ],
);

for (const [title, file, message] of refused) {
  test(`a name that nothing declares is refused: ${title}`, (t) => {
    t.throws(() => resolve(file), { message });
  });
}

test("declared names, functions and braces around anything but a name are taken", (t) => {
  const fields = { fields: { tenant: "acme" } };
  const form = {
    key: "{secret.api_token|sha256|base64}",
    of: "{tenant | url}",
    for: "{scope}",
    at: "{now_ms}{uuid}",
  };
  t.notThrows(() => resolve(exchange({ form }, fields)));
  const text =
    'query { viewer { name } } {{viewer} {} {{}} {"a":1} {a:1} ${{tenant} {{{tenant}} {{tenant:1} { tenant } a{2,3} .b{color:red} {{{{tenant}}';
  t.notThrows(() => resolve(exchange({ text }, fields)));
  t.notThrows(() => resolve({ grant: "static", headers: { "x-key": "{secret.any_name}" } }));
  const basic = { authorization: "{secret.user|basic:token}" };
  t.notThrows(() => resolve({ grant: "static", headers: basic }));
});

test("steps may use what those before them made and took", (t) => {
  const step = {
    values: { message: "{nonce}.{now}", sign: "{message|hmac_sha256:secret.api_token}" },
    json: { message: "{message}", sign: "{sign}" },
  };
  const renew = { steps: [{ url: "https://a.example/{secret.refresh}" }] };
  const settings = resolve(sequence(step, { rotates: { refresh: "/refresh" }, renew }));
  t.deepEqual(
    settings.secrets.map(({ name }) => name),
    ["api_token"],
  );
});

test("braces in rules of use are another language", (t) => {
  const deny = [{ executable: "/opt/{id}/bin/tool" }];
  t.notThrows(() => resolve({ grant: "static", origins: ["https://a.example"], deny }));
});

test("no preset has a mistake in a template", (t) => {
  const given: Record<string, Record<string, string>> = {
    labelf: { client_id: "x" },
    onestepai: { region: "eu" },
    realtyna: { client_id: "x", token_url: "https://issuer.example/token" },
    zebbra: { username: "me", base_url: "http://localhost:8000" },
  };
  for (const [preset, settings] of Object.entries(given)) {
    t.notThrows(() => resolve({ preset, ...settings }), preset);
  }
  t.true(Object.keys(given).every((preset) => shippedPresets().byName.has(preset)));
});

test("an unknown key that looks like a secret's is told as an unknown key", (t) => {
  const url = { token_url: "https://a.example" };
  const why = (file: Record<string, unknown>, message: RegExp) =>
    t.throws(() => resolve({ ...client, ...url, ...file }), { message });
  why({ scope_key: "x" }, /There is no key "scope_key"\. ?/);
  why({ clinet_secret: "x" }, /no key "clinet_secret"\. If client_secret is meant: it is a secret/);
  why({ client_secret: "x" }, /client_secret is a secret, and secrets are kept in the vault only/);
  why({ api_key: "x", extra: { k: "{secret.api_key}" } }, /api_key is a secret/);
  why({ refresh_token: "x" }, /There is no key "refresh_token", nor has/);
  why({ api_token: "x" }, /There is no key "api_token"/);
});
