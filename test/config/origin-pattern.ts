import test from "ava";
import { matchesPattern, parseOriginPattern } from "../../src/config/origin-pattern.ts";

const parsed = (text: string, isShared?: boolean) => {
  try {
    return parseOriginPattern(text, "origins[0]", isShared);
  } catch (error) {
    return (error as Error).message;
  }
};

test("a pattern is https, one star and a domain of one owner", (t) => {
  t.is(parsed("https://*.salesforce.com"), "https://*.salesforce.com");
  t.is(parsed("https://*.my.salesforce.com/"), "https://*.my.salesforce.com");
  t.is(parsed("https://*.example.co.uk"), "https://*.example.co.uk");
  t.is(parsed("https://*.corp.internal"), "https://*.corp.internal");
  for (const text of [
    ...[
      "http://*.salesforce.com",
      "https://*",
      "https://*.*.example.com",
      "https://a.*.example.com",
    ],
    ...[
      "https://x*.example.com",
      "https://*.example.com:8443",
      "https://*.example.com/api",
      "*.example.com",
    ],
    ...[
      "https://*.exa mple.com",
      "https://*.user@example.com",
      "https://*.",
      "https://*.example.com?x",
      "https://*.ex*mple.com",
    ],
  ]) {
    t.regex(parsed(text), /^origins\[0\] must be an origin, or a pattern such as/, text);
  }
});

test("a pattern for hosts of different owners is refused", (t) => {
  for (const suffix of [
    "com",
    "co.uk",
    "github.io",
    "kawasaki.jp",
    "s3.amazonaws.com",
    "localhost",
    "127.0.0.1",
    "xn--55qx5d.cn",
  ]) {
    t.regex(parsed(`https://*.${suffix}`), /must not match every host below/, suffix);
  }
  t.is(parsed("https://*.s3.amazonaws.com", true), "https://*.s3.amazonaws.com");
  t.regex(parsed("https://*.co.uk", true), /must not match/);
});

test("one label stands for the star, and nothing else fits", (t) => {
  const pattern = "https://*.salesforce.com";
  for (const origin of ["https://eu1.salesforce.com", "https://xn--mller-kva.salesforce.com"]) {
    t.true(matchesPattern(origin, pattern), origin);
  }
  for (const origin of [
    ...["https://salesforce.com", "https://a.b.salesforce.com", "https://eu1.salesforce.com:8443"],
    ...[
      "http://eu1.salesforce.com",
      "https://evil.salesforce.com.evil.example",
      "https://.salesforce.com",
    ],
    ...[
      "https://evilsalesforce.com",
      "https://u@eu1.salesforce.com",
      "https://eu1.salesforce.com.",
    ],
  ]) {
    t.false(matchesPattern(origin, pattern), origin);
  }
});
