import test from "ava";
import { parseExport, serializeExport } from "../../src/admin/export-format.ts";
import type { AuthdError } from "../../src/errors.ts";

const token = {
  accessToken: "a",
  tokenType: "Bearer",
  lifetime: null,
  assumed: false,
  obtainedAt: { wall: 1, boot: 1, bootId: "b" },
  jitter: 0,
  askedAt: 0,
};
const record = { secrets: { token: "s" }, binding: "b", tokens: [token] };
const of = (value: unknown) => parseExport(Buffer.from(JSON.stringify(value)));

test("credentials come out as they are, with what another version added", (t) => {
  const credentials = [
    { name: "a", file: "grant = 'static'", record: { ...record, news: [1] } },
    { name: "b", record: { ...record, tokens: [], rotation: { worked: true, intent: {} } } },
    { name: "c", file: "" },
  ];
  t.deepEqual(of({ credentials }) as unknown, credentials);
});

test("what authd never puts there is refused, and nothing of it quoted", (t) => {
  const odd: unknown[] = [
    ...[null, 5, {}, { credentials: null }, { credentials: "abc" }, { credentials: [null] }],
    { credentials: [{ name: 5 }] },
    { credentials: [{ name: "a", file: 5 }] },
    ...[null, 5, {}, { ...record, secrets: null }, { ...record, secrets: { token: 12345 } }].map(
      (each) => ({ credentials: [{ name: "a", record: each }] }),
    ),
    ...[null, "zz", [null], [{}], [{ ...token, accessToken: 12345 }]].map((tokens) => ({
      credentials: [{ name: "a", record: { ...record, tokens } }],
    })),
    { credentials: [{ name: "a", record: { ...record, rotation: { intent: null } } }] },
    { credentials: [{ name: "a", record: { ...record, refused: { reason: 7 } } }] },
    { credentials: [{ name: "a" }, { name: "a" }] },
  ];
  for (const value of odd) {
    const { message } = t.throws(() => of(value), { name: "AuthdError" }, JSON.stringify(value))!;
    t.regex(message, /^The export can't be used: .+\. Nothing was changed$/);
    t.false(message.includes("12345"));
  }
  t.throws(() => parseExport(Buffer.from("{")), { message: /not JSON/ });
  t.throws(() => of({ credentials: [{ name: "../a" }] }), { name: "AuthdError" });
});

test("an export that would be too large for an import is without tokens, or is refused", (t) => {
  const rotation = { worked: true };
  const tokens = [{ ...token, accessToken: "t".repeat(10_000) }];
  const full = { ...record, tokens, rotation };
  const credentials = [
    { name: "a", file: "", record: full },
    { name: "b", file: "x" },
  ];
  t.deepEqual(parseExport(serializeExport(credentials, 20_000)), credentials);
  const bare = [{ name: "a", file: "", record: { ...full, tokens: [] } }, credentials[1]];
  t.deepEqual(parseExport(serializeExport(credentials, 10_000)) as unknown, bare);
  t.is(credentials[0]?.record?.tokens, tokens);
  const record2 = { ...full, secrets: { token: "s".repeat(10_000) } };
  const error = t.throws(() => serializeExport([{ name: "a", record: record2 }], 10_000), {
    message: /no import takes more than 10000\. Nothing was exported/,
  });
  t.is((error as AuthdError).reason, "response_too_large");
});
