/** A key that would have no effect in a file is refused when the file is read. */
import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";

type File = Record<string, unknown>;
const resolve = (file: File, defaults: File = {}) =>
  resolveCredential("demo", file, defaults, { configDir: "/nowhere" });

const url = { token_url: "https://issuer.example/token" };
const client = { grant: "client_credentials", client_id: "me", ...url };
const password = { grant: "password", username: "me", ...url };
const origins = ["https://api.example"];
const body = { grant: "static", origins, body: { api_key: "{token}" } };
const verify = { url: "https://api.example/me" };
const own = { token_headers: { Authorization: "Basic eA==" } };

const refused: [title: string, file: File, message: RegExp][] = [
  [
    "refusals of an issuer that a static token has not",
    { grant: "static", rejected_on: [{ status: 403 }] },
    /rejected_on has no use here: no issuer is asked/,
  ],
  [
    "parameters of renewals that a password has not",
    { ...password, refresh_extra: { mode: "renew" } },
    /refresh_extra: has no use without refresh_url/,
  ],
  [
    "a place of the lifetime beside fixed seconds",
    { ...client, lifetime: { seconds: 60 }, response: { expires_in: "/ttl" } },
    /response\.expires_in has no effect beside lifetime\.seconds: leave one of them out/,
  ],
  [
    "a place of the end beside never",
    { ...client, lifetime: "never", response: { expires_at: "/until" } },
    /response\.expires_at has no effect beside lifetime = "never"/,
  ],
  ["a body that authd test can't send", { ...body, verify }, /body .* verify\.method .*"POST"/],
  [
    "a body with HEAD",
    { ...body, verify: { ...verify, method: "HEAD" } },
    /body .* verify\.method/,
  ],
  [
    "a body where all methods have none",
    { ...body, expose: "request", methods: ["get", "HEAD"] },
    /body has no effect where methods means .* add POST to methods/,
  ],
  [
    "a body where a rule's methods have none",
    { ...body, allow: [{ executable: "/bin/true" }, { unit: "a.service", methods: ["GET"] }] },
    /body has no effect where allow\[2\]\.methods/,
  ],
  [
    "a client secret beside an Authorization header of one's own",
    { ...client, ...own },
    /token_headers\.authorization takes the place of the client secret.*"post".*"none"/,
  ],
  [
    "the client of a password, likewise",
    { ...password, client_id: "me", ...own },
    /token_headers\.authorization takes the place/,
  ],
];
for (const [title, file, message] of refused) {
  test(`a key without effect is refused: ${title}`, (t) => {
    t.throws(() => resolve(file), { message });
  });
}

test("keys that have an effect, and those of defaults and presets that a file overrides, are taken", (t) => {
  const files: File[] = [
    { ...client, rejected_on: [{ status: 403 }] },
    { ...password, refresh_url: "https://issuer.example/renew", refresh_extra: { mode: "renew" } },
    { ...client, lifetime: { unit: "ms" }, response: { expires_in: "/ttl" } },
    { ...body, verify: { ...verify, method: "POST" }, expose: "request", methods: ["GET", "PUT"] },
    { ...body, body: { api_key: "" }, verify },
    { ...client, ...own, client_auth: "post" },
    { ...client, ...own, client_auth: "none" },
    { ...client, client_auth: "basic", token_headers: { authorization: "" } },
    { ...password, ...own },
  ];
  for (const file of files) t.notThrows(() => resolve(file), JSON.stringify(file));
  t.notThrows(() => resolve({ grant: "static" }, { rejected_on: [{ status: 403 }] }));
});
