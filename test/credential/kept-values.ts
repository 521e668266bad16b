import test from "ava";
import { resolveCredential } from "../../src/config/config.ts";
import { buildIssuedToken } from "../../src/credential/issued-token.ts";
import { completeKept, keptTroubles, noteKept } from "../../src/credential/kept-values.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { malformedPart } from "../../src/credential/record.ts";
import { bindAll, boundTo, enterSecrets } from "../../src/credential/record-changes.ts";

const settingsOf = (more: Record<string, unknown> = {}) =>
  resolveCredential(
    "crm",
    {
      grant: "client_credentials",
      client_id: "me",
      token_url: "https://login.example.com/token",
      origins: ["{kept.api}", "https://*.example.com"],
      headers: { authorization: "Bearer {token}", "x-tenant": "{kept.tenant}" },
      response: { keep: { api: "/url", tenant: { from: "/id", secret: true } } },
      ...more,
    },
    {},
    { configDir: "/nowhere" },
  );

const token = {
  ...{ lifetime: 60_000, assumed: false, bornAt: 1, obtainedAt: 2, jitter: 0.5 },
  ageUncertain: false,
};

const build = (settings: ReturnType<typeof settingsOf>, accessToken: string, kept?: object) =>
  buildIssuedToken(
    { accessToken, tokenType: "Bearer", ...(kept && { kept: kept as Record<string, string> }) },
    { token, isRestored: false },
    { settings, secrets: {} },
    { wall: 2, boot: 1 },
  );

const recordOf = (more: Partial<CredentialRecord> = {}): CredentialRecord => ({
  ...{ secrets: { client_secret: "s" }, tokens: [], ...boundTo(settingsOf()) },
  ...more,
});

test("extra has what is no secret, and is made once with the token", (t) => {
  const kept = { api: "https://eu.example.com", tenant: "t1", gone: "not in the file any more" };
  const { answer, keptOrigins } = build(settingsOf(), "abc", kept);
  t.deepEqual(answer.extra, { api: "https://eu.example.com" });
  t.true(Object.isFrozen(answer.extra));
  t.is(answer.headers["x-tenant"], "t1");
  t.deepEqual(keptOrigins, ["https://eu.example.com"]);
});

test("without kept values there is no extra, and a header that needs one is left out", (t) => {
  const settings = settingsOf();
  const issued = build(settings, "abc", {});
  t.false("extra" in issued.answer);
  t.deepEqual(issued.answer.headers, { authorization: "Bearer abc" });
  t.is(keptTroubles(settings, issued).length, 2);
  t.deepEqual(keptTroubles(settings, undefined), []);
});

test("a value of several lines is in extra, and in no header", (t) => {
  const settings = settingsOf({ response: { keep: { api: "/url", tenant: "/pem" } } });
  const tenant = "-----BEGIN CERTIFICATE-----\ncHJhY3RpY2U=\n-----END CERTIFICATE-----\n";
  const { answer } = build(settings, "abc", { tenant });
  t.deepEqual(answer.headers, { authorization: "Bearer abc" });
  t.deepEqual(answer.extra, { tenant });
});

test("a value may have any name", (t) => {
  const settings = settingsOf({
    origins: ["{kept.constructor}", "https://*.example.com"],
    headers: { "x-a": "{kept.constructor}" },
    response: { keep: { constructor: "/a", toString: "/b" } },
  });
  const { answer, keptOrigins } = build(settings, "abc", {});
  t.deepEqual([answer.headers, answer.extra, keptOrigins], [{}, undefined, []]);
  t.is(keptTroubles(settings, build(settings, "abc", {})).length, 2);
});

test("no header says Bearer twice, also for a token that a person entered so", (t) => {
  t.is(build(settingsOf(), "bearer  Bearer abc").answer.headers.authorization, "Bearer abc");
  const raw = settingsOf({ headers: { authorization: "{token}" } });
  t.is(build(raw, "Bearer abc").answer.headers.authorization, "Bearer abc");
});

test("an answer that lacks a value keeps the old; another scope's adds only what is new", (t) => {
  const acquired = { accessToken: "a", tokenType: "Bearer" };
  const record = recordOf();
  noteKept(record, { ...acquired, kept: { api: "1" } }, false);
  noteKept(record, { ...acquired, kept: { api: "2", tenant: "t" } }, true);
  t.deepEqual(record.kept, { api: "1", tenant: "t" });
  t.deepEqual(completeKept(record, { api: "slot" }, { ...acquired, kept: {} }), {
    api: "slot",
    tenant: "t",
  });
  t.is(completeKept(record, undefined, acquired), undefined);
});

test("old values are not mixed with new secrets, or with other settings", (t) => {
  const kept = { api: "1" };
  const entered = recordOf({ kept });
  enterSecrets(entered, settingsOf(), { secrets: { client_secret: "other" } });
  t.is(entered.kept, undefined);
  const same = recordOf({ kept });
  bindAll(same, boundTo(settingsOf({ ttl: 60 })));
  t.deepEqual(same.kept, kept);
  bindAll(same, boundTo(settingsOf({ token_url: "https://other.example.com/token" })));
  t.is(same.kept, undefined);
});

test("a record of before has none, and one that is malformed costs the token alone", (t) => {
  const stored = {
    ...{
      accessToken: "a",
      tokenType: "Bearer",
      lifetime: 1,
      assumed: false,
      jitter: 0,
      askedAt: 0,
    },
    obtainedAt: { wall: 1, boot: 1, bootId: "b" },
  };
  const record = recordOf({ tokens: [stored, { ...stored, kept: { api: 5 } as never }] });
  t.is(malformedPart(record), undefined);
  t.deepEqual(record.tokens, [stored]);
});
