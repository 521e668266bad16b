import test from "ava";
import { describeChange } from "../../src/admin/describe-change.ts";
import { MAX_CHANGE_LENGTH, type ParamsOf } from "../../src/protocol.ts";

const set = (given: Omit<ParamsOf<"credentials/set">, "credential">) =>
  describeChange({ method: "credentials/set", name: "demo", given });

test("a question about set shows where secrets would go, before all else", (t) => {
  const described = set({
    settings: { client_id: "app", token_url: "https://elsewhere.example/token?x=1", ttl: 60 },
    secrets: { client_secret: "not-shown" },
    unset: ["scope"],
  });
  t.is(
    described,
    "credentials/set token_url=https://elsewhere.example client_id ttl client_secret scope",
  );
});

test("keys are found in tables too, and a long host shows its end", (t) => {
  const host = `${"issuer.example.".repeat(12)}elsewhere.example`;
  const described = set({
    settings: {
      request: { url: `https://${host}/token`, json: { a: "b" } },
      "verify.url": "https://api.example/me",
      origins: ["https://api.example", "https://elsewhere.example"],
      base_url: "{field}/path",
    },
  });
  t.regex(described, /request\.url="?https:\/\/issuer\.example\.[^ ]*…[^ ]*\.elsewhere\.example/);
  t.true(described.includes(" verify.url=https://api.example "));
  t.true(described.includes("origins=https://api.example,https://elsewhere.example"));
  t.true(described.includes('base_url="{field}/path"'));
  t.true(described.endsWith(" request.json.a"));
});

test("fields are shown, and an address that they are filled into with what is in its host", (t) => {
  const described = set({
    settings: { fields: { host: "evil.example" }, request: { url: "https://{host}/a/b" } },
  });
  t.is(described, 'credentials/set fields.host=evil.example request.url="https://{host}"');
});

test("of a long list every origin is shown", (t) => {
  const origins = ["api", "static", "a", "b", "c", "d"].map((one) => `https://${one}.example.com`);
  origins.splice(3, 0, "https://evil.example.net");
  t.is(set({ settings: { origins } }), `credentials/set origins=${origins.join(",")}`);
});

test("more destinations than a question can show are refused, none is left out", (t) => {
  const origins = Array.from({ length: 60 }, (_, at) => `https://host-${at}.example.com`);
  t.throws(() => set({ settings: { origins } }), {
    message: /^demo: .*in several steps/,
  });
});

test("names beyond the room there is are counted, rules stand before them", (t) => {
  const extra = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`key-${at}`, "x"]));
  const described = set({
    settings: { extra, confirm: "never", token_url: "https://evil.example/t" },
  });
  t.true(
    described.startsWith("credentials/set token_url=https://evil.example confirm extra.key-0 "),
  );
  t.regex(described, / and \d+ more$/);
  t.true(described.length <= MAX_CHANGE_LENGTH);
});

test("what the change comes to goes before what was given", (t) => {
  const described = describeChange({
    method: "credentials/set",
    name: "demo",
    given: {
      settings: { tenant: "evil", token_url: "https://{tenant}.example/t", ca_file: "ca.pem" },
    },
    fields: ["tenant"],
    differences: [
      { key: "ca_file", was: null, is: "SHA-256 00" },
      { key: "token_url", was: "https://good.example/t", is: "https://evil.example/t" },
    ],
  });
  t.is(described, "credentials/set tenant=evil token_url=https://evil.example ca_file=ca.pem");
});

test("of a trusted edit every difference is named", (t) => {
  const described = describeChange({
    method: "credentials/trust",
    name: "demo",
    namesAll: true,
    differences: [
      { key: "client_id", is: "app" },
      { key: "confirm", was: "first", is: null },
      { key: "origins", was: ["https://api.example"], is: [] },
      { key: "request", is: { url: "https://evil.example/t", method: "PUT" } },
    ],
  });
  t.is(
    described,
    "credentials/trust origins=none request.url=https://evil.example confirm client_id request.method",
  );
});
