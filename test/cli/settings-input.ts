import test from "ava";
import { parseSettings } from "../../src/cli/settings-input.ts";

test("--set takes key=value, dotted keys, and a key twice for a list", (t) => {
  t.deepEqual(
    parseSettings([
      "client_id=me",
      "extra.tenant=a=b",
      "origins=https://a.example",
      "origins=https://b.example",
      "scope=",
    ]),
    {
      client_id: "me",
      "extra.tenant": "a=b",
      origins: ["https://a.example", "https://b.example"],
      scope: "",
    },
  );
  for (const wrong of ["client_id", "=x", ""]) {
    t.throws(() => parseSettings([wrong]), { message: /--set takes key=value/ });
  }
});

test("a secret in --set is refused, without its value, and the message says how to give it", (t) => {
  for (const pair of ["client_secret=abc123", "secret.api_key=abc123", "secrets.password=abc123"]) {
    const error = t.throws(() => parseSettings([pair]), { message: /is a secret.*--secrets-from/ });
    t.false(error?.message.includes("abc123"));
  }
  t.throws(() => parseSettings(["pin=abc123"], ["pin"]), { message: /pin is a secret/ });
  t.notThrows(() => parseSettings(["secrets=api_token", "response.token=/data/token"]));
});
