import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import { differencesOf } from "../../src/config/differences.ts";

const FILE = {
  grant: "client_credentials",
  token_url: "https://issuer.example/token",
  client_id: "app",
  origins: ["https://api.example"],
};

const resolve = (file: Record<string, unknown>) =>
  resolveCredential("demo", file, {}, { configDir: "/nowhere" });

/** What an edit of FILE changes. */
function edit(change: Record<string, unknown>) {
  const { binding, boundValues } = resolve(FILE);
  const file = { ...FILE, ...change };
  return differencesOf(resolve(file), { binding, boundValues }, file);
}

test("each part is told as it was and is", (t) => {
  t.deepEqual(edit({}), []);
  t.deepEqual(edit({ scope: "another", ttl: 60 }), [], "nothing that decides where secrets go");
  t.deepEqual(
    edit({
      token_url: "https://evil.example/token",
      origins: undefined,
      extra: { copy: "{secret.client_secret}" },
      headers: { "x-copy": "{token}" },
      allow_insecure_http: true,
    }),
    [
      { key: "allow_insecure_http", was: null, is: true },
      { key: "extra.copy", was: null, is: "{secret.client_secret}" },
      { key: "headers.authorization", was: "Bearer {token}", is: null },
      { key: "headers.x-copy", was: null, is: "{token}" },
      { key: "origins", was: ["https://api.example"], is: [] },
      {
        key: "token_url",
        was: "https://issuer.example/token",
        is: "https://evil.example/token",
      },
    ],
  );
});

test("an edit that makes a binding differ always tells a difference", (t) => {
  for (const change of [
    { extra: {} },
    { client_auth: "post" },
    { expose: "request" },
    { allow: [{ executable: "/usr/bin/backup", rate: "60/m" }] },
    { deny: [{ user: 65534 }] },
    { confirm: "always" },
  ]) {
    t.not(resolve({ ...FILE, ...change }).binding, resolve(FILE).binding);
    t.true(edit(change).length > 0, JSON.stringify(change));
  }
});

test("rules are told one by one, with their programs and rates", (t) => {
  const differences = edit({ allow: [{ executable: "/usr/bin/backup", rate: "60/m" }] });
  t.like(
    differences.find(({ key }) => key === "allow[1].rate"),
    { was: null, is: "60/m" },
  );
});

test("of a record that has digests alone the keys are told, and that their values are not known", (t) => {
  const { binding, written } = resolve(FILE);
  const file = { ...FILE, token_url: "https://evil.example/token" };
  t.deepEqual(differencesOf(resolve(file), { binding, written }, file), [
    { key: "token_url", is: "https://evil.example/token" },
  ]);
  t.deepEqual(
    differencesOf(resolve(file), { binding }, FILE)
      .map(({ key }) => key)
      .sort(),
    ["client_id", "grant", "origins", "token_url"],
  );
});
