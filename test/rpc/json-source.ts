import test from "ava";
import fc from "fast-check";
import { elementsOf, sourceAt } from "../../src/rpc/json-source.ts";

const name = fc.constantFrom("id", "params", "a", "", '"', "\\", '\\"id', "é");
const json = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.dictionary(name, fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.dictionary(name, fc.double()))),
  fc.array(fc.jsonValue({ maxDepth: 2 })),
);
const space = fc.constantFrom(0, 1, "\t", " \r\n ".slice(0, 3));

test("the source of a member is that of its value, wherever it stands", (t) => {
  fc.assert(
    fc.property(json, space, fc.array(name, { maxLength: 3 }), (value, indent, path) => {
      const text = ` ${JSON.stringify(value, undefined, indent)} `;
      let expected: unknown = value;
      for (const step of path) {
        const isObject = typeof expected === "object" && expected !== null;
        const has = isObject && !Array.isArray(expected) && Object.hasOwn(expected!, step);
        expected = has ? (expected as Record<string, unknown>)[step] : undefined;
      }
      const found = sourceAt(text, path);
      if (expected === undefined) t.is(found, undefined);
      else t.is(JSON.stringify(JSON.parse(found!)), JSON.stringify(expected));
    }),
  );
});

test("the elements of an array are told apart", (t) => {
  fc.assert(
    fc.property(fc.array(json), space, (values, indent) => {
      const found = elementsOf(` ${JSON.stringify(values, undefined, indent)}`);
      t.deepEqual(
        found.map((text) => JSON.stringify(JSON.parse(text))),
        values.map((value) => JSON.stringify(value)),
      );
    }),
  );
});

test("of members with one name the last counts, and an escaped name is that name", (t) => {
  t.is(sourceAt('{"id":1.0,"x":{"id":2},"id":3e0}', ["id"]), "3e0");
  t.is(sourceAt('{"\\u0069d":1.0}', ["id"]), "1.0");
  t.is(sourceAt('{"params":{"id":-0}}', ["params", "id"]), "-0");
  t.is(sourceAt('{"params":null}', ["params", "id"]), undefined);
});
