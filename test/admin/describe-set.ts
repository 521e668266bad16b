import test from "ava";
import { describeSet } from "../../src/admin/describe-set.ts";

test("a question about set shows where secrets would go, before all else", (t) => {
  const described = describeSet({
    credential: "demo",
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
  const described = describeSet({
    credential: "demo",
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
