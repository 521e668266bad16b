import test from "ava";
import { lineOf } from "../../src/config/line-of.ts";

const TEXT = `# A comment = none
preset = "labelf"
client_id = "me"
verify = { method = "GET", url = "https://api.example" }
request.url = "https://api.example"

[headers]
authorization = "x"
"x-api-key" = "y"

[[allow]]
executable = "/usr/bin/backup"
[[allow]]
unit = "a.service"
executable = "sync"
`;

test("the line of the key that a message names", (t) => {
  const lines = {
    'There is no key "client_id". Did you mean "client_ids"?': 3,
    "verify.url: must be a complete URL.": 4,
    "request.url must not have a secret in its host.": 5,
    "headers.x-api-key: expected a string.": 9,
    "headers: expected a table.": 7,
    "allow[2].executable must be an absolute path, such as /usr/bin/backup.": 15,
    "allow.0.executable: expected a string.": 12,
    "allow[2]: names nobody": 13,
    "allow[1].unit is missing.": 11,
  };
  for (const [message, line] of Object.entries(lines)) t.is(lineOf(TEXT, message), line, message);
});

test("no line for what stands nowhere", (t) => {
  t.is(lineOf(TEXT, "base_url is missing: set it"), undefined);
  t.is(lineOf("", "client_id"), undefined);
});
