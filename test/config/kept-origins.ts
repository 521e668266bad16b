import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import { admittedOrigin } from "../../src/config/kept-origins.ts";

const resolve = (more: Record<string, unknown>) =>
  resolveCredential(
    "crm",
    {
      grant: "client_credentials",
      client_id: "me",
      token_url: "https://login.example.com/token",
      response: { keep: { api: "/instance_url", tenant: { from: "id", secret: true } } },
      ...more,
    },
    {},
    { configDir: "/nowhere" },
  );

const ORIGINS = ["https://static.example.org", "{kept.api}", "https://*.example.com"];

test("origins out of an answer, beside the pattern that limits them", (t) => {
  const { origins, keptOrigins, kept } = resolve({ origins: ORIGINS });
  t.deepEqual(origins, ["https://static.example.org"]);
  t.deepEqual(keptOrigins, { from: ["api"], within: ["https://*.example.com"] });
  t.deepEqual(kept, {
    api: { from: "/instance_url", secret: false },
    tenant: { from: "/id", secret: true },
  });
});

const refused: [title: string, file: Record<string, unknown>, message: RegExp][] = [
  ["an origin of an answer alone", { origins: ["{kept.api}"] }, /no pattern that limits it/],
  ["a pattern alone", { origins: ["https://*.example.com"] }, /admits nothing by itself/],
  [
    "a pattern for everybody's hosts",
    { origins: ["{kept.api}", "https://*.github.io"] },
    /origins\[1\] must not match every host below github\.io/,
  ],
  [
    "a part of an origin",
    { origins: ["https://{kept.api}.example.com", "https://*.example.com"] },
    /origins\[0\] must be \{kept\.NAME\} alone/,
  ],
  [
    "a name that is not kept",
    { origins: ["{kept.ap}", "https://*.example.com"] },
    /holds \{kept\.ap\}, but nothing here is named kept\.ap\. Did you mean \{kept\.api\}\?/,
  ],
  ["a secret value", { origins: ["{kept.tenant}", "https://*.example.com"] }, /which is secret/],
  [
    "a kept value in a URL that takes a secret",
    { token_url: "https://login.example.com/{kept.tenant}" },
    /token_url holds \{kept\.tenant\}, but a kept value goes into headers, query, cookie, body, origins and verify\.url only/,
  ],
  [
    "a kept value in a parameter",
    { extra: { a: "{kept.tenant}" } },
    /extra\.a holds \{kept\.tenant\}/,
  ],
  [
    "a test at a kept value that is no origin",
    { origins: ORIGINS, verify: { url: "{kept.tenant}/me" } },
    /verify\.url begins with \{kept\.tenant\}, so origins must have/,
  ],
  [
    "a test at a host that a kept value names in part",
    { origins: ORIGINS, verify: { url: "https://{kept.tenant}.example.com/me" } },
    /verify\.url must begin with one of origins/,
  ],
  [
    "a test right behind the origin",
    { origins: ORIGINS, verify: { url: "{kept.api}.evil.example/me" } },
    /and a path must follow/,
  ],
  ["too many values", { response: { keep: manyNames(33) } }, /keeps more than 32 values/],
  ["a place that is none", { response: { keep: { a: "b.c" } } }, /response\.keep\.a: must be/],
];

function manyNames(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`n${index}`, "/a"]));
}

for (const [title, file, message] of refused) {
  test(`refused: ${title}`, (t) => {
    t.throws(() => resolve(file), { message });
  });
}

test("the request of a test may begin with a kept origin, and have kept values in its path", (t) => {
  t.is(
    resolve({ origins: ORIGINS, verify: { url: "{kept.api}/me?t={kept.tenant}" } }).verify?.url,
    "{kept.api}/me?t={kept.tenant}",
  );
  t.is(
    resolve({ origins: ORIGINS, verify: { url: "https://static.example.org/{kept.tenant}" } })
      .verify?.url,
    "https://static.example.org/{kept.tenant}",
  );
});

test("a value is an origin if a pattern admits it, and in no other spelling", (t) => {
  const within = { from: ["api"], within: ["https://*.example.com"] };
  for (const value of [
    "https://eu.example.com",
    "https://eu.example.com/",
    "https://EU.example.com:443/base/path",
  ]) {
    t.is(admittedOrigin(value, within), "https://eu.example.com", value);
  }
  for (const value of [
    ...["https://evil.example", "https://eu.example.com.evil.example", "http://eu.example.com"],
    ...["https://eu.example.com:8443", "https://u:p@eu.example.com", "https://u@eu.example.com"],
    ...["https://evil.example\\.example.com", "https://a.b.example.com", "https://example.com"],
    ...["https://evil.example#.example.com", "https://evil.example?.example.com", "eu.example.com"],
    ...["https://evil.example/.example.com", "https://eu.example.com.", " https://eu.example.com"],
    ...["https://evil\t.example.com\n.evil.example", "//eu.example.com", "javascript:alert(1)", ""],
    ...["https://\u0435u.ex\u0430mple.com", "https://xn--e1awg7f.xn--80ak6aa92e.com"],
  ]) {
    t.is(admittedOrigin(value, within), undefined, value);
  }
});

test("what is kept, and where it may lead, is bound; a file without it is bound as before", (t) => {
  const bound = (more: Record<string, unknown>) => resolve(more).binding;
  const keep = (api: unknown) => ({ response: { keep: { api } } });
  const digests = [
    bound({ response: { expires_in: "/a" } }),
    bound(keep("/a")),
    bound(keep("/b")),
    bound(keep({ from: "/a", secret: true })),
    bound({ ...keep("/a"), origins: ["{kept.api}", "https://*.example.com"] }),
    bound({ ...keep("/a"), origins: ["{kept.api}", "https://*.example.org"] }),
    bound({ response: { token: "/a" } }),
  ];
  t.is(new Set(digests).size, digests.length);
  t.is(bound({ response: { expires_in: "/a" } }), bound({ response: undefined }));
  t.is(bound(keep("a")), bound(keep("/a")));
});
