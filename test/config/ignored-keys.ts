/** Keys of an issuer's requests that no request would use are refused by name. */
import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";

const url = "https://issuer.example/token";

const resolve = (more: Record<string, unknown>) =>
  resolveCredential(
    "demo",
    { grant: "exchange", secrets: ["key"], response: { token: "/token" }, ...more },
    {},
    { configDir: "/nowhere" },
  );

const renewedBy = (renew: object) => ({ request: { url }, rotates: { next: "/next" }, renew });

const SAMPLES: Record<string, unknown> = {
  ...{ method: "POST", headers: { "x-a": "1" }, form: { a: "1" }, json: {}, text: "a" },
  ...{ values: { a: "1" }, repeatable: true },
};

const refused: readonly [title: string, file: Record<string, unknown>, message: RegExp][] = [
  [
    "the body of a GET, in a step",
    { steps: [{ url, method: "get", json: { a: 1 } }, { url }] },
    /steps\[1\]\.json is a body, and GET has none/,
  ],
  [
    "the body of a HEAD, in a step",
    { steps: [{ url, method: "HEAD", text: "a" }, { url }] },
    /steps\[1\]\.text is a body, and HEAD has none/,
  ],
  [
    "the body of a renewal's GET",
    renewedBy({ url, method: "GET", form: { a: "1" } }),
    /renew\.form is a body/,
  ],
  [
    "what the last step takes",
    {
      steps: [
        { url, take: { a: "/a" } },
        { url, take: { b: "/b" } },
      ],
    },
    /steps\[2\]\.take is of the last step.*response\.keep/,
  ],
  [
    "what the last step of a renewal takes",
    renewedBy({ steps: [{ url, take: { a: "/a" } }] }),
    /renew\.steps\[1\]\.take is of the last step/,
  ],
  ...["method", "headers", "form", "json", "text", "values", "repeatable"].map(
    (key): [string, Record<string, unknown>, RegExp] => [
      `${key} beside a renewal's steps`,
      renewedBy({ steps: [{ url }], [key]: SAMPLES[key] }),
      new RegExp(`renew\\.${key} stands beside renew\\.steps`),
    ],
  ),
];

for (const [title, file, message] of refused) {
  test(`refused: ${title}`, (t) => {
    t.throws(() => resolve(file), { message });
  });
}

test("taken: the body of a GET in the one request, which files from before may have", (t) => {
  t.notThrows(() => resolve({ request: { url, method: "get", json: { a: 1 } } }));
});

test("taken: bodies of other methods, what later steps use, places of a renewal's own", (t) => {
  const steps = [
    { url, method: "GET", take: { a: "/a" } },
    { url, method: "PUT", json: "{a}" },
  ];
  t.notThrows(() => resolve({ steps }));
  t.notThrows(() => resolve(renewedBy({ steps, response: { token: "/other" } })));
});
