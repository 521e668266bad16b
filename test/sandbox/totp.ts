import test from "ava";
import { randomBase32, totpVerifier } from "../../src/sandbox/totp.ts";

// RFC 6238 appendix B: the key "12345678901234567890"; the last 6 of the table's 8 digits.
const RFC_KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

for (const [seconds, code] of [
  [59, "287082"],
  [1111111109, "081804"],
  [1111111111, "050471"],
  [1234567890, "005924"],
  [2000000000, "279037"],
  [20000000000, "353130"],
] as const) {
  test(`accepts RFC 6238's code at ${seconds} s, once`, (t) => {
    const verify = totpVerifier(RFC_KEY, () => seconds * 1000);
    t.false(verify("000000"));
    t.true(verify(code));
    t.false(verify(code));
  });
}

test("refuses the code of the step before", (t) => {
  const verify = totpVerifier(RFC_KEY, () => 60_000);
  t.false(verify("287082"));
});

test("makes secrets of 160 bits", (t) => {
  t.regex(randomBase32(), /^[A-Z2-7]{32}$/);
  t.not(randomBase32(), randomBase32());
});
