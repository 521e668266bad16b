import test from "ava";
import { jwtTimes, seconds, unfitToken } from "../../src/grants/token-claims.ts";
import { jwt } from "../helpers/acquire.ts";

test("exp and iat of a JWT, whatever a careless issuer makes of a NumericDate", (t) => {
  t.deepEqual(jwtTimes(jwt({ exp: 1_800_000_000, iat: 1_700_000_000.5 })), {
    exp: 1_800_000_000,
    iat: 1_700_000_000.5,
  });
  t.deepEqual(jwtTimes(jwt({ exp: "1800000000", iat: " " })), { exp: 1_800_000_000 });
  t.deepEqual(jwtTimes(jwt({ exp: 1_800_000_000_000 })), { exp: 1_800_000_000 }, "milliseconds");
  for (const exp of [0, -1, 1e300, null, true, [], {}, "soon"]) {
    t.deepEqual(jwtTimes(jwt({ exp })), {}, String(exp));
  }
});

test("whatever is no JWT has no times", (t) => {
  const claims = Buffer.from('{"exp":1800000000}').toString("base64url");
  const garbage = [
    "",
    "opaque",
    "a.b.c",
    "..",
    `x.${claims}.y`,
    "bnVsbA.bnVsbA.x",
    `${jwt({})}.more`,
  ];
  for (const token of garbage) t.is(jwtTimes(token), undefined, token);
});

test("a JWT with __proto__ among its claims has no times by that way", (t) => {
  const claims = Buffer.from('{"__proto__":{"exp":1800000000}}').toString("base64url");
  t.deepEqual(jwtTimes(`${jwt({}).split(".")[0]}.${claims}.x`), {});
});

test("seconds: numbers and numeric strings, never negative, never beyond any calendar", (t) => {
  t.is(seconds(3600), 3600);
  t.is(seconds("3600"), 3600);
  t.is(seconds(3599.7), 3599.7);
  t.is(seconds(0), 0);
  t.is(seconds(3_122_063_999), 3_122_063_999);
  t.is(seconds(9_223_372_036_854_775_807n.toString()), 100_000_000_000);
  for (const value of [null, undefined, "", " ", "never", -1, "-1", Number.NaN, true, [3600], {}]) {
    t.is(seconds(value), undefined, String(value));
  }
});

test("a token that no header can carry is unfit", (t) => {
  t.is(unfitToken("abc.DEF-_~+/=="), undefined);
  t.is(unfitToken("x".repeat(65_536)), undefined);
  for (const bad of [
    "",
    "a\r\nb",
    "a\0b",
    "a\tb",
    "a\x1bb",
    "a\x7fb",
    "a\x85b",
    "a€b",
    "x".repeat(65_537),
  ]) {
    t.is(typeof unfitToken(bad), "string", JSON.stringify(bad.slice(0, 10)));
  }
});
