import test from "ava";
import fc from "fast-check";
import { AuthdError } from "../../src/errors.ts";
import { FrameParser, type Framing, frame } from "../../src/rpc/frame-parser.ts";
import { JsonBounds } from "../../src/rpc/json-bounds.ts";

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/gs;

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

/** True if a text that comes in these pieces, after white space, stays within the limits. */
function fits(bytes: Buffer, cuts: readonly number[], tokens: number, depth: number): boolean {
  const bounds = new JsonBounds({ tokens, depth });
  let at = 0;
  try {
    // A small text is not judged.
    bounds.scan(Buffer.alloc(2 * depth + 1, " "));
    for (const size of [...cuts, bytes.length]) {
      bounds.scan(bytes.subarray(at, at + size));
      at += size;
    }
    return true;
  } catch (error) {
    if ((error as AuthdError).reason !== "request_too_large") throw error;
    return false;
  }
}

/** Quotes and backslashes, short and long, beside what JSON values are made of otherwise. */
const strings = fc.oneof(
  fc.string(),
  fc.array(fc.constantFrom('"', "\\", "x".repeat(40), "å", "[{")).map((parts) => parts.join("")),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small" },
    strings,
    fc.constantFrom(0, -1.5e3, true, null),
    fc.array(tie("json")),
    fc.dictionary(strings, tie("json")),
  ),
}));

test("tokens and depth are counted exactly, however the text is cut and indented", (t) => {
  fc.assert(
    fc.property(json, fc.array(fc.nat({ max: 60 })), fc.nat({ max: 2 }), (value, cuts, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const bytes = Buffer.from(text);
      const tokens = text.match(TOKEN)?.length ?? 0;
      const depth = depthOf(value);
      t.true(fits(bytes, cuts, tokens, depth));
      t.false(fits(bytes, cuts, tokens - 1, depth));
      if (depth > 0) t.false(fits(bytes, cuts, tokens, depth - 1));
    }),
  );
});

test("a string is one token, whatever stands in it", (t) => {
  for (const inside of ["[".repeat(1000), '\\"'.repeat(1000), "\\\\".repeat(1000), "x,".repeat(9)])
    t.true(fits(Buffer.from(`"${inside}"`), [7, 100], 1, 0), inside.slice(0, 8));
});

const LIMITS = { tokens: 10_000, depth: 64 };
const NUISANCES: Readonly<Record<string, string>> = {
  "empty arrays": `[${"[],".repeat(2_000_000)}1]`,
  "arrays in arrays": "[".repeat(8_000_000),
  "objects in objects": '{"a":'.repeat(1_000_000),
  "header names": `{"headers":{${Array.from({ length: 600_000 }, (_, i) => `"h${i}":""`).join(",")}}}`,
  numbers: `[${"1,".repeat(3_000_000)}1]`,
};

for (const framing of ["lines", "base"] as const satisfies readonly Framing[]) {
  for (const [what, text] of Object.entries(NUISANCES)) {
    test(`${framing}: megabytes of ${what} are refused before 200 KB have come`, (t) => {
      const parser = new FrameParser(8 * 2 ** 20, () => t.fail("was let through"), LIMITS);
      const bytes = Buffer.from(frame(framing, text, text.length));
      let taken = 0;
      const error = t.throws(
        () => {
          for (; taken < bytes.length; taken += 4096)
            parser.push(bytes.subarray(taken, taken + 4096));
        },
        { instanceOf: AuthdError },
      );
      t.is(error.reason, "request_too_large");
      t.true(taken < 200_000, `${taken} bytes`);
      t.true(parser.held < 200_000);
    });
  }

  test(`${framing}: limits count for each frame anew`, (t) => {
    const seen: string[] = [];
    const parser = new FrameParser(1_000_000, (body) => seen.push(body.toString()), LIMITS);
    const text = `[${"1,".repeat(4_000)}1]`;
    const bytes = Buffer.from(frame(framing, text, text.length).repeat(5));
    for (let at = 0; at < bytes.length; at += 5_000) parser.push(bytes.subarray(at, at + 5_000));
    parser.push(bytes);
    t.is(seen.length, 10);
  });
}
