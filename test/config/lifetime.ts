import test from "ava";
import {
  coerceSettings,
  resolveCredential,
  shippedPresets,
  updateCredentialFile,
} from "../../src/config/config.ts";
import { knownSettings } from "../../src/config/known-settings.ts";
import { AuthdError } from "../../src/errors.ts";

type File = Record<string, unknown>;

const client = {
  ...{ grant: "client_credentials", client_id: "me" },
  token_url: "https://issuer.example",
};
const exchange = {
  grant: "exchange",
  request: { url: "https://issuer.example/login" },
  response: { token: "/token" },
};

const resolve = (file: File, defaults: File = {}) =>
  resolveCredential("demo", file, defaults, { configDir: "/nowhere" });

const refuses = test.macro((t, file: File, message: RegExp) => {
  const error = t.throws(() => resolve(file), { instanceOf: AuthdError, message });
  t.is(error?.reason, "invalid_params");
  t.regex(error?.message ?? "", /^Credential "demo": /);
});

test("what a lifetime can say", (t) => {
  for (const lifetime of [
    ...["never", { seconds: 60 }, { unit: "ms" }, { margin: 30 }, { seconds: 60, margin: 30 }],
    ...[{ zone: "Europe/Berlin" }, { zone: "+02:00" }, { format: "DD.MM.YYYY", zone: "UTC" }],
    ...[
      { from: "/until", unit: "us", margin: 5 },
      { from: "header:X-Until", zone: "UTC" },
    ],
  ]) {
    t.deepEqual(resolve({ ...client, lifetime }).lifetime as unknown, lifetime);
  }
  t.deepEqual(resolve({ ...client, lifetime: { from: "until" } }).lifetime, { from: "/until" });
});

const refused: [string, unknown, RegExp][] = [
  ["nothing", {}, /lifetime: says nothing/],
  ["another word", "forever", /lifetime: .*"never"/],
  ["a number", 60, /lifetime: /],
  ["no time", { seconds: 0 }, /lifetime\.seconds: /],
  ["an unknown key", { secs: 5 }, /no key "lifetime\.secs"\. Did you mean "lifetime\.seconds"/],
  ["an unknown unit", { unit: "weeks" }, /lifetime\.unit: .*"ms"/],
  [
    "a zone that is none",
    { zone: "Europe/Berln" },
    /lifetime\.zone: .*Did you mean "Europe\/Berlin"/,
  ],
  ["a format that is none", { format: "MM/DD" }, /lifetime\.format: has no year/],
  ["a place that is none", { from: "header:" }, /lifetime\.from: must be a JSON pointer/],
  ["the whole body", { from: "text" }, /lifetime\.from: must not be the whole body/],
  ["seconds and a unit", { seconds: 5, unit: "ms" }, /lifetime: has both seconds and unit/],
  ["seconds and a place", { seconds: 5, from: "/x" }, /lifetime: has both seconds and from/],
  ["a unit and a zone", { unit: "ms", zone: "UTC" }, /lifetime: has both unit.*and format or zone/],
  ["all margin", { seconds: 60, margin: 60 }, /lifetime: has a margin that leaves nothing/],
  ["two offsets", { format: "YYYYMMDD Z", zone: "UTC" }, /lifetime: has a zone beside a format/],
];
for (const [what, lifetime, message] of refused) {
  test(`a lifetime of ${what}`, refuses, { ...client, lifetime }, message);
}

test(
  "a lifetime of a static token",
  refuses,
  { grant: "static", lifetime: { seconds: 60 } },
  /A static token has no lifetime/,
);
test(
  "ttl beside fixed seconds",
  refuses,
  { ...client, ttl: 60, lifetime: { seconds: 60 } },
  /ttl has no effect beside lifetime\.seconds/,
);
test(
  "ttl beside never",
  refuses,
  { ...client, ttl: 60, lifetime: "never" },
  /ttl has no effect beside lifetime = "never"/,
);
test(
  "two places",
  refuses,
  { ...exchange, response: { token: "/token", expires_in: "/s" }, lifetime: { from: "/t" } },
  /lifetime\.from and response\.expires_in say the same/,
);

test("a default of another kind gives way", (t) => {
  const defaults = { ttl: 60, lifetime: { unit: "ms", margin: 5 } };
  const { lifetime } = resolve({ ...client, lifetime: { seconds: 900 } }, defaults);
  t.deepEqual(lifetime, { seconds: 900, margin: 5 });
  t.is(resolve({ ...client, lifetime: "never" }, defaults).lifetime, "never");
  t.deepEqual(resolve({ ...client, lifetime: { zone: "UTC" } }, defaults).lifetime, {
    ...{ zone: "UTC", margin: 5 },
  });
});

test("a lifetime as the command line gives it", (t) => {
  const set = (file: File, settings: File) =>
    updateCredentialFile(file, coerceSettings(client, settings, shippedPresets())).lifetime;
  t.is(set(client, { lifetime: "never" }), "never");
  t.deepEqual(set(client, { "lifetime.seconds": "3600" }), { seconds: 3600 });
  t.deepEqual(set(client, { "lifetime.from": "header:X-Until", "lifetime.zone": "UTC" }), {
    ...{ from: "header:X-Until", zone: "UTC" },
  });
  t.deepEqual(set({ ...client, lifetime: "never" }, { "lifetime.unit": "ms" }), { unit: "ms" });
  t.deepEqual(set({ ...client, lifetime: { unit: "ms" } }, { "lifetime.seconds": "5" }), {
    seconds: 5,
  });
  t.is(set({ ...client, lifetime: { unit: "ms" } }, { lifetime: "never" }), "never");
});

test("a lifetime needs nobody's consent: it decides when, not where", (t) => {
  const [without, with_] = [client, { ...client, lifetime: { unit: "ms" } }].map((file) =>
    resolve(file),
  );
  t.is(without?.binding, with_?.binding);
  t.deepEqual(without?.written, with_?.written);
});

test("completion knows a lifetime's keys, and the word in their place", (t) => {
  const known = knownSettings({ grant: "client_credentials" }, shippedPresets());
  const valuesOf = (key: string) => known.find((setting) => setting.key === key)?.values;
  t.deepEqual(valuesOf("lifetime"), ["never"]);
  t.deepEqual(valuesOf("lifetime.seconds"), []);
  t.true(valuesOf("lifetime.unit")?.includes("ms"));
});
