/** Values that break programs, for wherever a value is wanted. */
import fc from "fast-check";

const ODD_TEXTS = [
  "",
  " ",
  "\0",
  "\r\n",
  "a\r\nx-evil: 1",
  "\ufeff",
  "\u2028",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "NaN",
  "-0",
  "1e999",
  "å",
  "👩‍👩‍👧",
  "{secret.token}",
  "${x}",
  "../../etc/passwd",
  "a".repeat(5_000),
];

export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...ODD_TEXTS),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ maxLength: 20 }),
);

export const oddNumber: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 0.001, 1.5, 1e308, 2 ** 31, 2 ** 53, 2 ** 63, 3_122_063_999),
  fc.integer({ min: 0, max: 100_000 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** Anything that JSON can say. */
export const oddJson: fc.Arbitrary<unknown> = fc.oneof(
  oddText,
  oddNumber,
  fc.constantFrom<unknown>(null, true, false, [], {}, [[]]),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Opened and closed this often: as deep as a frame or an answer may reasonably hold. */
export const deepJson: fc.Arbitrary<string> = fc
  .record({ depth: fc.constantFrom(10, 1_000, 30_000), closed: fc.boolean(), table: fc.boolean() })
  .map(({ depth, closed, table }) => {
    const [open, close] = table ? ['{"a":', "}"] : ["[", "]"];
    return `${open.repeat(depth)}1${closed ? close.repeat(depth) : ""}`;
  });

/** A change to some bytes. */
export type Mutation =
  | { kind: "cut"; at: number }
  | { kind: "drop"; at: number; length: number }
  | { kind: "put"; at: number; bytes: Uint8Array }
  | { kind: "repeat"; at: number; length: number };

const at = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("cut" as const), at }),
  fc.record({ kind: fc.constant("drop" as const), at, length: fc.nat({ max: 8 }) }),
  fc.record({
    kind: fc.constant("put" as const),
    at,
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      oddText.map((text) => new TextEncoder().encode(text)),
    ),
  }),
  fc.record({ kind: fc.constant("repeat" as const), at, length: fc.nat({ max: 60 }) }),
);

/** These bytes after such changes, one after the other. */
export function mutated(bytes: Uint8Array, mutations: readonly Mutation[]): Buffer {
  return mutations.reduce<Buffer>(apply, Buffer.from(bytes));
}

function apply(bytes: Buffer, change: Mutation): Buffer {
  const place = Math.floor(change.at * (bytes.length + 1));
  const before = bytes.subarray(0, place);
  const after = bytes.subarray(place);
  if (change.kind === "cut") return before;
  if (change.kind === "drop") return Buffer.concat([before, after.subarray(change.length)]);
  if (change.kind === "put") return Buffer.concat([before, change.bytes, after]);
  return Buffer.concat([before, after.subarray(0, change.length), after]);
}
