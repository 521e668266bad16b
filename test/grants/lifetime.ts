import test, { type ExecutionContext } from "ava";
import type { Acquired } from "../../src/grants/grant.ts";
import type { LifetimeSetting } from "../../src/grants/lifetime-setting.ts";
import { acquire, jwt } from "../helpers/acquire.ts";
import { type StubResponse, startIssuer } from "../helpers/issuer.ts";

const SENT = Date.parse("2026-11-30T12:00:00Z");
const HOUR = 3_600;

interface Told {
  lifetime?: LifetimeSetting;
  headers?: Record<string, string>;
}

/** What is made of an answer to client_credentials that came at SENT, by the issuer's clock, too. */
async function read(t: ExecutionContext, members: object, { lifetime, headers }: Told = {}) {
  const { url } = await startIssuer(t, answer({ access_token: "abc", ...members }, headers));
  return await acquire(t, "client_credentials", {
    settings: { token_url: url, client_id: "demo" },
    secrets: { client_secret: "s3cret" },
    now: SENT,
    ...(lifetime && { lifetime }),
  });
}

/** What is made of an exchange's answer. */
async function exchanged(t: ExecutionContext, response: object, json: object, told: Told = {}) {
  const { url } = await startIssuer(t, answer({ token: "abc", ...json }, told.headers));
  const settings = { request: { url }, response: { token: "/token", ...response } };
  return await acquire(t, "exchange", {
    ...{ settings, now: SENT },
    ...(told.lifetime && { lifetime: told.lifetime }),
  });
}

function answer(json: object, headers: Record<string, string> = {}): StubResponse {
  return { json, headers: { date: new Date(SENT).toUTCString(), ...headers } };
}

/** A list in a list in a list. */
function deep(levels: number): unknown {
  let list: unknown = 60;
  for (let level = 0; level < levels; level++) list = [list];
  return list;
}

const fault = ({ lifetimeFault: found }: Acquired) => found && [found.message, found.set];

test("a lifetime in seconds, in words, or as an end, under every usual name", async (t) => {
  for (const members of [
    ...[
      { expires_in: HOUR },
      { expires_in: "3600" },
      { expires_in: "3.6e3" },
      { expires_in: "3600s" },
    ],
    ...[{ expires_in: "1h" }, { expires_in: "60 min" }, { expiresIn: HOUR }, { EXPIRES_IN: HOUR }],
    ...[
      { expires_in_sec: HOUR },
      { expires_in: SENT / 1_000 + HOUR },
      { expires_in: SENT + 3_600_000 },
    ],
    ...[{ expires_at: SENT / 1_000 + HOUR }, { expires_at: `${SENT + 3_600_000}` }],
    ...[{ expires_at: (SENT + 3_600_000) * 1_000 }, { expires_at: "1.7960436E9" }],
    ...[{ expires_on: "1796043600" }, { expiresAt: "2026-11-30T13:00:00Z" }, { expires_at: HOUR }],
    ...[{ ".expires": "Mon, 30 Nov 2026 13:00:00 GMT" }, { expiry: "2026-11-30T14:00:00+01:00" }],
    ...[{ expires_at: "/Date(1796043600000)/" }, { expires: "20261130130000" }],
    { expires_in: HOUR, expires_at: "2027-01-01T00:00:00Z" },
  ]) {
    const acquired = await read(t, members);
    t.is(acquired.expiresIn, HOUR, JSON.stringify(members));
    t.is(acquired.lifetimeFault, undefined, JSON.stringify(members));
  }
});

test("99 years stay a lifetime, and nothing told stays nothing", async (t) => {
  t.is((await read(t, { expires_in: 3_124_137_600 })).expiresIn, 3_124_137_600);
  for (const members of [{}, { expires_in: null }, { expires_in: "" }, { expires_at: null }]) {
    const { expiresIn, lifetimeFault } = await read(t, members);
    t.deepEqual([expiresIn, lifetimeFault], [undefined, undefined], JSON.stringify(members));
  }
});

test("lifetime overrides: fixed seconds, never, a unit, a place, a zone, a format", async (t) => {
  const past = jwt({ exp: SENT / 1_000 - 60 });
  const { jwt: times, ...fixed } = await read(
    t,
    { access_token: past, expires_in: 5 },
    { lifetime: { seconds: HOUR } },
  );
  t.is(fixed.expiresIn, HOUR);
  t.is(times, undefined, "the token's own end is overridden, too");
  t.is((await read(t, { expires_in: 0 }, { lifetime: "never" })).expiresIn, "forever");
  const cases: [object, LifetimeSetting, Record<string, string>?][] = [
    [{ expires_in: 3_600_000 }, { unit: "ms" }],
    [{ expires_in: 60 }, { unit: "min" }],
    [{ expires_at: SENT + 3_600_000 }, { unit: "ms" }],
    [{ life: { left: HOUR } }, { from: "/life/left" }],
    [{}, { from: "header:X-Expires" }, { "x-expires": "2026-11-30T13:00:00Z" }],
    [{}, { from: "header:X-Expires-In", unit: "ms" }, { "x-expires-in": "3600000" }],
    [{}, { from: "cookie:until" }, { "set-cookie": "until=1796043600; Path=/" }],
    [{ expires_at: "2026-11-30 14:00:00" }, { zone: "Europe/Berlin" }],
    [{ expires_at: "11/30/2026 01:00:00 PM" }, { format: "MM/DD/YYYY hh:mm:ss A" }],
    [{ expires_in: HOUR }, { format: "MM/DD/YYYY" }],
    [{ expires_at: "30.11.2026 08:00" }, { format: "DD.MM.YYYY HH:mm", zone: "America/New_York" }],
  ];
  for (const [members, lifetime, headers = {}] of cases) {
    const acquired = await read(t, members, { lifetime, headers });
    t.is(acquired.expiresIn, HOUR, JSON.stringify(lifetime));
    t.is(acquired.lifetimeFault, undefined, JSON.stringify(lifetime));
  }
});

test("an exchange's lifetime from a header, a cookie or a pointer", async (t) => {
  const end = "2026-11-30T13:00:00Z";
  const cases: [object, object, Told][] = [
    [{ expires_in: "/data/s" }, { data: { s: "3600" } }, {}],
    [{ expires_in: "header:X-Life" }, {}, { headers: { "x-life": "3600" } }],
    [{ expires_at: "header:X-Until" }, {}, { headers: { "x-until": end } }],
    [{ expires_at: "cookie:until" }, {}, { headers: { "set-cookie": `until=${end}` } }],
    [
      { expires_at: "/until" },
      { until: "2026-11-30 14:00" },
      { lifetime: { zone: "Europe/Berlin" } },
    ],
    [{ expires_at: "/until" }, { until: end, left: HOUR }, { lifetime: { from: "/left" } }],
  ];
  for (const [response, json, told] of cases) {
    const acquired = await exchanged(t, response, json, told);
    t.is(acquired.expiresIn, HOUR, JSON.stringify(response));
    t.is(acquired.lifetimeFault, undefined);
  }
});

test("a token that is a cookie lives as long as its attributes say, unless the file says where", async (t) => {
  const cookie = (attributes: string, response: object = {}) =>
    exchanged(
      t,
      { token: "cookie:sid", ...response },
      { left: 60 },
      {
        headers: { "set-cookie": `sid=abc; Path=/${attributes}; HttpOnly` },
      },
    );
  const until = "Expires=Mon, 30 Nov 2026 13:00:00 GMT";
  t.is((await cookie("; Max-Age=3600")).expiresIn, HOUR);
  t.is((await cookie(`; ${until}`)).expiresIn, HOUR);
  t.is((await cookie(`; ${until}; max-age=1800`)).expiresIn, HOUR / 2);
  t.is((await cookie(`; ${until}`, { expires_in: "/left" })).expiresIn, 60);
  t.is((await cookie("")).expiresIn, undefined);
});

test("what is there and can't be read is said, with the setting that mends it", async (t) => {
  const cases: [unknown, string, string][] = [
    ["soon", "the issuer's expires_in can't be read (soon)", "lifetime.seconds=…"],
    [{ s: 60 }, "the issuer's expires_in can't be read", "lifetime.seconds=…"],
    [deep(2_000), "the issuer's expires_in can't be read", "lifetime.seconds=…"],
    ["(".repeat(100_000), "the issuer's expires_in can't be read", "lifetime.seconds=…"],
    [-1, "the issuer's expires_in can't be read (-1)", "lifetime=never"],
    ["never", "the issuer's expires_in can't be read (never)", "lifetime=never"],
    [0, "the issuer's expires_in (0) leaves the token no time", "lifetime=never"],
    [
      "11/12/2026 01:00:00 PM",
      "the issuer's expires_in can't be read (11/12/2026 01:00:00 PM)",
      "lifetime.format='M/D/YYYY h:mm:ss A'",
    ],
    [
      "30.11.2026 13:00",
      "the issuer's expires_in can't be read (30.11.2026 13:00)",
      "lifetime.format='D.M.YYYY H:mm'",
    ],
    [
      "2026-11-30 11:00:00",
      "the issuer's expires_in (2026-11-30 11:00:00) leaves the token no time",
      "lifetime.zone=…",
    ],
  ];
  for (const [expires_in, message, set] of cases) {
    t.deepEqual(fault(await read(t, { expires_in })), [message, set]);
  }
});

test("the member that can't be read is named", async (t) => {
  t.deepEqual(fault(await read(t, { ".expires": "soon" })), [
    "the issuer's .expires can't be read (soon)",
    "lifetime.seconds=…",
  ]);
  t.deepEqual(fault(await read(t, { expiresAt: "0001-01-01T00:00:00" })), [
    "the issuer's expires_at can't be read (0001-01-01T00:00:00)",
    "lifetime=never",
  ]);
});

test("neither a secret nor a token is quoted, wherever the pointer leads", async (t) => {
  for (const [from, json] of [
    ["/access_token", {}],
    ["/secret", { secret: "s3cret" }],
    ["/note", { note: "x".repeat(60) }],
    ["/pin", { pin: "a1b2c3" }],
  ] as const) {
    const found = fault(await read(t, json, { lifetime: { from } }));
    t.deepEqual(found, [`lifetime.from = "${from}" can't be read`, "lifetime.seconds=…"]);
  }
});

test("a place that finds nothing is said", async (t) => {
  const told = await read(t, {}, { lifetime: { from: "header:X-Expires" } });
  t.deepEqual(fault(told), [
    'lifetime.from = "header:X-Expires" finds nothing in the issuer\'s answer',
    "lifetime.from=…",
  ]);
  t.deepEqual(fault(await exchanged(t, { expires_at: "/data/until" }, {})), [
    'response.expires_at = "/data/until" finds nothing in the issuer\'s answer',
    "response.expires_at=…",
  ]);
  t.is(fault(await exchanged(t, { expires_at: "/until" }, { until: null })), undefined);
});

test("a lifetime that can't be beside the token's own times is said", async (t) => {
  const now = SENT / 1_000;
  const short = jwt({ iat: now, exp: now + 60 });
  t.deepEqual(fault(await read(t, { access_token: short, expires_in: 86_400 })), [
    "the issuer tells 86400 s, but the token itself ends after 60 s, which counts",
    "lifetime.seconds=60",
  ]);
  t.deepEqual(
    fault(await read(t, { access_token: jwt({ exp: now + HOUR }), expires_in: 3_600_000 })),
    [
      "the issuer tells 3600000 s, but the token itself ends after 3600 s, which counts",
      "lifetime.unit=ms",
    ],
  );
  const rest = await read(t, { access_token: jwt({ exp: now + 60 }), expires_in: HOUR });
  t.is(rest.lifetimeFault?.set, undefined, "perhaps the rest of a cached token's life");
  const relative = await read(t, { access_token: jwt({ exp: 900 }), expires_in: 900 });
  t.deepEqual(fault(relative), [
    "exp in the issuer's JWT (900) is no date",
    "lifetime.seconds=900",
  ]);
  t.deepEqual([relative.expiresIn, relative.jwt], [900, {}]);
  // A token out of the issuer's own cache: told is its whole life, of which most is over.
  const cached = jwt({ iat: now - HOUR + 60, exp: now + 60 });
  t.is(fault(await read(t, { access_token: cached, expires_in: HOUR })), undefined);
});

test("both lives of a refresh token, under the names that issuers give them", async (t) => {
  const lives = async (members: object, lifetime?: LifetimeSetting) => {
    const json = { access_token: "abc", expires_in: HOUR, refresh_token: "r2", ...members };
    const { url } = await startIssuer(t, answer(json));
    const acquired = await acquire(t, "refresh_token", {
      settings: { token_url: url, client_id: "demo" },
      secrets: { refresh_token: "r1" },
      now: SENT,
      ...(lifetime && { lifetime }),
    });
    return [acquired.refreshExpiresIn, acquired.refreshHardExpiresIn];
  };
  for (const members of [
    ...[
      { refresh_expires_in: HOUR },
      { refresh_token_expires_in: "3600" },
      { refreshExpiresIn: HOUR },
    ],
    ...[{ refreshTokenExpiresIn: HOUR }, { x_refresh_token_expires_in: HOUR }],
    ...[
      { refresh_token_expires_at: "2026-11-30T13:00:00Z" },
      { refreshTokenExpiresAt: SENT + 3.6e6 },
    ],
    { refresh_token_expiration: "Mon, 30 Nov 2026 13:00:00 GMT" },
  ]) {
    t.deepEqual(await lives(members), [HOUR, undefined], JSON.stringify(members));
  }
  const intuit = {
    x_refresh_token_expires_in: 8_726_400,
    x_refresh_token_hard_expires_in: 157_680_000,
  };
  t.deepEqual(await lives(intuit), [8_726_400, 157_680_000]);
  t.deepEqual(await lives({ refresh_expires_in: 0 }), [undefined, undefined], "Keycloak's never");
  t.deepEqual(await lives({ refresh_expires_in: 3_600_000 }, { unit: "ms" }), [HOUR, undefined]);
});

test("a refresh token's life at a place of the file", async (t) => {
  const at = async (place: string, json: object) => {
    const { url } = await startIssuer(
      t,
      answer({ access_token: "abc", expires_in: HOUR, ...json }),
    );
    const response = { refresh_expires_in: place };
    const settings = { token_url: url, client_id: "demo", response };
    const secrets = { refresh_token: "r1" };
    return await acquire(t, "refresh_token", { settings, secrets, now: SENT });
  };
  t.is((await at("/refresh/left", { refresh: { left: HOUR } })).refreshExpiresIn, HOUR);
  t.is((await at("/until", { until: "2026-11-30T13:00:00Z" })).refreshExpiresIn, HOUR);
  t.is(fault(await at("/until", { until: null })), undefined);
  t.deepEqual(fault(await at("/until", {})), [
    'response.refresh_expires_in = "/until" finds nothing, or can\'t be read',
    "response.refresh_expires_in=…",
  ]);
});

test("a refresh token's life that can't be read is said", async (t) => {
  const json = { access_token: "abc", expires_in: HOUR, refresh_token_expires_at: "next week" };
  const { url } = await startIssuer(t, answer(json));
  const settings = { token_url: url, client_id: "demo" };
  const acquired = await acquire(t, "refresh_token", { settings, secrets: { refresh_token: "r" } });
  t.deepEqual(fault(acquired), ["the issuer's refresh_token_expires_at can't be read", undefined]);
});
