import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import { readPresets } from "../../src/config/preset.ts";

const literals = (file: Record<string, unknown>) =>
  resolveCredential("demo", file, {}, { configDir: "/nowhere" }).literals;

const exchange = (request: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  grant: "exchange",
  secrets: ["api_token"],
  request: { url: "https://issuer.example/token", ...request },
  response: { token: "/token" },
  ...more,
});

test("names in braces that are not declared are told, with the nearest that are", (t) => {
  t.deepEqual(literals({ grant: "static", headers: { authorization: "Bearer {tokn}" } }), [
    'headers.authorization holds {tokn}, which names nothing here and goes out as it stands. Did you mean "token"?',
  ]);
  t.regex(
    literals(exchange({ json: { key: "{secret.api_tokn}" } }))?.join() ?? "",
    /^request\.json\.key holds \{secret\.api_tokn\}.* Did you mean "secret\.api_token"\?$/,
  );
  t.regex(
    literals(exchange({ headers: { "x-a": "{nope}" } }))?.join() ?? "",
    /request\.headers\.x-a/,
  );
  t.regex(literals(exchange({ form: { key: "{token}" } }))?.join() ?? "", /request\.form\.key/);
});

test("templates that are filled in, and braces of other languages, are not", (t) => {
  t.is(literals({ grant: "static" }), undefined);
  t.is(literals(exchange({ text: "query {viewer} { name }" })), undefined);
  t.is(literals(exchange({ json: { query: "{viewer}" } })), undefined);
  const fields = { fields: { tenant: "acme" } };
  t.is(
    literals(
      exchange({ form: { key: "{secret.api_token}", of: "{tenant}", for: "{scope}" } }, fields),
    ),
    undefined,
  );
});

test("no preset sends a brace", (t) => {
  const given: Record<string, Record<string, string>> = {
    labelf: { client_id: "x" },
    onestepai: { region: "eu" },
    realtyna: { client_id: "x", token_url: "https://issuer.example/token" },
    zebbra: { username: "me", base_url: "http://localhost:8000" },
  };
  for (const preset of readPresets().keys()) {
    t.is(literals({ preset, ...given[preset] }), undefined, preset);
  }
});
