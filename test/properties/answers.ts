/** Answers that an issuer should never give, byte for byte. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { jwt } from "../helpers/acquire.ts";
import { deepJson, mutated, mutation, oddJson, oddText } from "./odd.ts";

export const GOOD_TOKEN = "practice-good-token";
/** In every token that is odd: it must turn up nowhere else. */
export const MARK = "fuzz-mark-of-a-token";

const ENCODERS = {
  none: (body: Buffer) => body,
  gzip: gzipSync,
  deflate: (body: Buffer) => deflateSync(body),
  "deflate-raw": (body: Buffer) => deflateRawSync(body),
  br: (body: Buffer) => brotliCompressSync(body),
  "gzip, br": (body: Buffer) => brotliCompressSync(gzipSync(body)),
  /** Not what it says. */
  "gzip-garbage": (body: Buffer) => body,
  "gzip-cut": (body: Buffer) => gzipSync(body).subarray(0, -5),
  "constructor, __proto__": (body: Buffer) => body,
} satisfies Record<string, (body: Buffer) => Buffer>;

const FRAMINGS = ["length", "short", "long", "chunked", "chunked-cut", "close", "both"] as const;

export interface Answer {
  status: number | string;
  headers: readonly (readonly [string, string])[];
  encoding: keyof typeof ENCODERS;
  framing: (typeof FRAMINGS)[number];
  body: Buffer;
  /** What happens to all of it in the end. */
  changes?: Parameters<typeof mutated>[1];
}

const token = fc.oneof(
  { weight: 3, arbitrary: fc.constant(MARK) },
  { weight: 2, arbitrary: fc.constantFrom(`${MARK}\r\nx: y`, `${MARK}\0`, `${MARK}\u2028`) },
  fc.constantFrom(` ${MARK} `, `"${MARK}"`, `${MARK}å`, ""),
  fc.constantFrom(0, 1, -1, null, "9999999999", 1e308).map((exp) => jwt({ exp, iat: exp, MARK })),
  fc.constant(MARK.repeat(5_000)),
  oddJson,
);

/** What RFC 6749 section 2.3.1 makes of client "app" and this secret. */
export const basicOf = (secret: string) =>
  Buffer.from(`app:${new URLSearchParams({ "": secret }).toString().slice(1)}`).toString("base64");

/** An issuer may repeat what it was sent, as it came or encoded. */
const echo = (secret: string) =>
  fc.constantFrom(
    ...[secret, `Wrong secret ${secret}!`, encodeURIComponent(secret)],
    ...[new URLSearchParams({ secret }).toString(), secret.replaceAll(" ", "\u00a0 ")],
    ...(["base64", "base64url", "hex"] as const).map((way) => Buffer.from(secret).toString(way)),
    JSON.stringify(secret),
    basicOf(secret),
    [...secret].join("\u200b"),
  );

/** The text of one JSON member; keys come in any order, and more than once. */
function member(secret: string): fc.Arbitrary<string> {
  const of = (names: readonly string[], value: fc.Arbitrary<unknown>) =>
    fc
      .tuple(fc.constantFrom(...names), value)
      .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? "null"}`);
  return fc.oneof(
    { weight: 4, arbitrary: of(["access_token"], token) },
    of(["refresh_token", "id_token", "token"], token),
    of(["token_type"], fc.oneof(fc.constantFrom("bearer", "DPoP", "mac", "N_A"), oddJson)),
    of(["expires_in", "refresh_in", "refresh_expires_in"], oddJson),
    of(["scope"], fc.oneof(oddJson, fc.constant(["a", 1, "b"]))),
    of(
      ["error"],
      fc.oneof(
        fc.constantFrom("invalid_grant", "invalid_client", "slow_down", "toString"),
        oddJson,
        echo(secret),
      ),
    ),
    of(["error_description", "error_uri", "message"], fc.oneof(oddText, echo(secret))),
    of(["__proto__", "constructor", "hasOwnProperty", "toJSON"], oddJson),
  );
}

function body(secret: string): fc.Arbitrary<Buffer> {
  const object = fc.array(member(secret), { maxLength: 8 }).map((all) => `{${all.join(",")}}`);
  const said = fc.dictionary(
    fc.constantFrom("error", "error_description", "expires_in", "__proto__", "access_token"),
    fc.oneof(oddText, echo(secret)),
  );
  const form = fc
    .tuple(said, fc.constantFrom({}, { access_token: MARK }))
    .map(([members, more]) => new URLSearchParams({ ...members, ...more }).toString());
  return fc.oneof(
    { weight: 6, arbitrary: object.map((text) => Buffer.from(text)) },
    fc.tuple(object, fc.array(mutation, { minLength: 1, maxLength: 3 })).map(([text, changes]) => {
      return mutated(Buffer.from(text), changes);
    }),
    object.map((text) => Buffer.from(`\ufeff${text}`)),
    object.map((text) => Buffer.from(`\ufeff${text}`, "utf16le")),
    object.map((text) => Buffer.from(`[${text}]`)),
    object.map((text) => Buffer.from(JSON.stringify(text))),
    form.map((text) => Buffer.from(text)),
    token.map((value) => Buffer.from(typeof value === "string" ? value : "")),
    echo(secret).map((text) => Buffer.from(`<!doctype html><title>${text}</title>`)),
    deepJson.map((text) => Buffer.from(text)),
    deepJson.map((text) => Buffer.from(`{"access_token":"${MARK}","scope":${text}}`)),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
    fc.constant(Buffer.alloc(1_200_000, " ")),
  );
}

const headerValue = fc.oneof(
  oddText.filter((text) => text.length < 1_000),
  fc.constantFrom("0", "-1", "3600", "Thu, 01 Jan 1970 00:00:00 GMT", "text/html", "1e99", MARK),
);

const header = (secret: string) =>
  fc.tuple(
    fc.oneof(
      fc.constantFrom("Date", "Retry-After", "Content-Type", "Location", "X-Token", "__proto__"),
      fc.constantFrom("Set-Cookie", "Content-Encoding", "Connection", "WWW-Authenticate"),
      oddText.filter((text) => text.length < 100),
    ),
    fc.oneof(headerValue, echo(secret)),
  );

/** Any answer; `secret` is what the issuer was sent. */
export function answer(secret: string): fc.Arbitrary<Answer> {
  return fc.record(
    {
      status: fc.oneof(
        { weight: 5, arbitrary: fc.constant(200) },
        fc.constantFrom(400, 401, 403, 429, 502, 503, 504, 302, 204, 304, 100, 101, 201),
        fc.integer({ min: 100, max: 1_000 }),
        fc.constantFrom("abc", "", "-1", "99999999999"),
      ),
      headers: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        fc.array(header(secret), { maxLength: 3 }),
      ),
      encoding: fc.oneof(
        { weight: 4, arbitrary: fc.constant("none" as const) },
        fc.constantFrom(...(Object.keys(ENCODERS) as Answer["encoding"][])),
      ),
      framing: fc.oneof(
        { weight: 5, arbitrary: fc.constant("length" as const) },
        fc.constantFrom(...FRAMINGS),
      ),
      body: body(secret),
      changes: fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
      ),
    },
    { requiredKeys: ["status", "headers", "encoding", "framing", "body"] },
  );
}

/** As it goes over the wire. */
export function bytesOf({ status, headers, encoding, framing, body, changes }: Answer): Buffer {
  const encoded = ENCODERS[encoding](body);
  const name = /^(gzip|deflate)-/.exec(encoding)?.[1] ?? encoding;
  const lines = [
    `HTTP/1.1 ${status} Whatever`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(encoding === "none" ? [] : [`Content-Encoding: ${name}`]),
    ...framingHeaders(framing, encoded.length),
    "Connection: close",
  ];
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  const whole = Buffer.concat([head, framed(framing, encoded)]);
  return mutated(whole, changes ?? []);
}

function framingHeaders(framing: Answer["framing"], length: number): string[] {
  const chunked = "Transfer-Encoding: chunked";
  if (framing === "length") return [`Content-Length: ${length}`];
  if (framing === "short") return [`Content-Length: ${Math.max(0, length - 3)}`];
  if (framing === "long") return [`Content-Length: ${length + 3}`];
  if (framing === "both") return [`Content-Length: ${length}`, chunked];
  return framing === "close" ? [] : [chunked];
}

function framed(framing: Answer["framing"], body: Buffer): Buffer {
  if (!["chunked", "chunked-cut", "both"].includes(framing)) return body;
  const end = framing === "chunked-cut" ? "\r\n7" : "\r\n0\r\n\r\n";
  const size = `${body.length.toString(16)}\r\n`;
  return body.length === 0
    ? Buffer.from("0\r\n\r\n")
    : Buffer.concat([Buffer.from(size), body, Buffer.from(end)]);
}
