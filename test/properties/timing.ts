/** Token timing: whatever an issuer says of lifetimes, and whatever the clocks do. */
import fc from "fast-check";
import { omitUndefined } from "../../src/base/omit-undefined.ts";
import {
  expiresAt,
  expiryOf,
  freshness,
  lifetimeOf,
  refreshAt,
  restore,
  type Token,
} from "../../src/credential/token.ts";
import { readTokenAnswer } from "../../src/grants/token-answer.ts";
import { jwt } from "../helpers/acquire.ts";
import { Life, type Step } from "./life.ts";
import { oddJson, oddNumber } from "./odd.ts";
import { type Checkable, demand, type Property } from "./property.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const YEAR = 365 * 24 * HOUR;
const EPOCH = Date.parse("2030-01-01T00:00:00Z");

export const timing: readonly Property[] = [
  { name: "timing-lifetimes", runs: 400, start: () => soundTimes },
  { name: "timing-life", runs: 60, start: () => soundLife },
];

/** A duration as issuers write it. */
const duration: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 100_000 }) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(0.01, 0.5, 1, 2, 60, "3600", " 60 ", "1e3") },
  oddNumber,
  oddNumber.map(String),
  oddJson,
);

/** Seconds since the epoch, near now or anywhere. */
const instant: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -1_000, max: 100_000 }).map((s) => EPOCH / 1_000 + s) },
  fc.integer({ min: 0, max: 100_000 }).map((s) => EPOCH + s * 1_000),
  duration,
);

const date: fc.Arbitrary<string | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.integer({ min: -600, max: 600 }).map((s) => new Date(EPOCH + s * 1_000).toUTCString()),
  fc.constantFrom("", "0", "never", "Thu, 01 Jan 1970 00:00:00 GMT", "275760-09-13"),
);

/** What an issuer says of one token. */
const told = fc.record(
  {
    expires_in: duration,
    refresh_in: duration,
    refresh_expires_in: duration,
    rotates: fc.boolean(),
    exp: instant,
    iat: instant,
    date,
    status: fc.constantFrom(200, 200, 200, 200, 400, 403, 429, 500, 503),
    retryAfter: fc.oneof(
      fc.constantFrom("0", "-1", "120", "1e9", "99999999999999999999", "soon", "0.001"),
      fc.constant("Tue, 01 Jan 2030 00:01:00 GMT"),
    ),
    fails: fc.constantFrom("unsent", "lost"),
  },
  { requiredKeys: [] },
);

/** What an issuer says of a token, and how. */
export type Told = typeof told extends fc.Arbitrary<infer T> ? T : never;

const soundTimes: Checkable = fc.asyncProperty(
  told,
  fc.nat({ max: 10_000 }),
  fc.option(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { nil: undefined }),
  fc.record({
    wall: fc.integer({ min: -YEAR, max: YEAR }),
    boot: fc.double({ min: 0, max: YEAR, noNaN: true }),
  }),
  fc.option(fc.nat({ max: 1e6 }), { nil: undefined }),
  async ({ expires_in, refresh_in, exp, iat, date }, took, ttl, passed, minValidity) => {
    const text = JSON.stringify({ access_token: jwt({ exp, iat }), expires_in, refresh_in });
    const headers: Record<string, string> = date === undefined ? {} : { date };
    const context = {
      credential: "demo",
      secrets: {},
      held: [],
      rejectedOn: [],
      now: EPOCH,
      urlKey: "token_url",
    };
    const acquired = readTokenAnswer({ status: 200, headers, text }, {}, context);
    const life = lifetimeOf(acquired, EPOCH, EPOCH + took, omitUndefined({ ttl }));
    const born = 50_000_000;
    const token: Token = {
      ...life,
      ...{ bornAt: born, obtainedAt: EPOCH, jitter: 0.5, ageUncertain: false },
    };
    demand(life.lifetime >= 0 && Number.isFinite(life.lifetime), `lifetime ${life.lifetime}`);
    if (typeof expires_in === "number" && expires_in >= 0) {
      demand(life.lifetime <= expires_in * SECOND, `longer than expires_in: ${life.lifetime}`);
    }
    const due = refreshAt(token);
    demand(due >= born && due <= born + life.lifetime, `renewal at ${due - born}`);
    const now = { wall: EPOCH + passed.wall, boot: born + passed.boot };
    // By two ticks of the clock sooner.
    const isOver = now.boot >= expiryOf(token) - 20;
    demand(
      (freshness(token, now, minValidity) === "expired") === isOver,
      "expired too late or soon",
    );
    const shown = expiresAt(token, now);
    demand(shown === null ? life.assumed : Number.isSafeInteger(shown), `expiresAt ${shown}`);
    const stored = { ...token, accessToken: "x", tokenType: "Bearer", askedAt: EPOCH };
    const sealed = { ...stored, obtainedAt: { wall: EPOCH, boot: born, bootId: "a" } };
    const back = restore(JSON.parse(JSON.stringify(sealed)), now, "a");
    // The sum of a boot time and a fraction of a millisecond is rounded.
    demand(Math.abs(back.bornAt - born) < 1, `revived ${back.bornAt - born} ms off`);
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("issuer" as const), told }),
  fc.record({
    kind: fc.constant("ask" as const),
    options: fc.record(
      { minValidity: fc.constantFrom(0, 1, 30_000, 1e9), forceRefresh: fc.boolean() },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    kind: fc.constantFrom("pass" as const, "sleep" as const),
    ms: fc.oneof(fc.nat({ max: 5_000 }), fc.nat({ max: 300_000 }), fc.nat({ max: 2 * HOUR })),
  }),
  fc.record({
    kind: fc.constant("step" as const),
    ms: fc.oneof(
      fc.integer({ min: -5_000, max: 5_000 }),
      fc.integer({ min: -HOUR, max: HOUR }),
      fc.constantFrom(YEAR, -YEAR),
    ),
  }),
);

const soundLife: Checkable = fc.asyncProperty(
  fc.array(step, { maxLength: 25 }),
  fc.record(
    { ttl: fc.constantFrom(0.001, 1, 60, 1e9), warm: fc.constantFrom("used", "always") },
    { requiredKeys: [] },
  ),
  fc.constantFrom("client_credentials" as const, "refresh_token" as const),
  fc.integer(),
  async (steps, settings, grant, seed) => {
    const life = new Life(grant, settings, seed);
    try {
      for (const one of steps) await life.take(one);
    } finally {
      life.end();
    }
  },
);
