import test from "ava";
import { isJsonPointer, valueAt } from "../../src/grants/json.ts";

test("the pointers of RFC 6901 section 5", (t) => {
  const document = { foo: ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, " ": 7, "m~n": 8 };
  t.is(valueAt(document, ""), document);
  t.deepEqual(valueAt(document, "/foo"), ["bar", "baz"]);
  t.is(valueAt(document, "/foo/0"), "bar");
  t.is(valueAt(document, "/"), 0);
  t.is(valueAt(document, "/a~1b"), 1);
  t.is(valueAt(document, "/c%d"), 2);
  t.is(valueAt(document, "/ "), 7);
  t.is(valueAt(document, "/m~0n"), 8);
});

test("what is not there is undefined: prototypes, lengths, odd indexes and scalars too", (t) => {
  const document = JSON.parse('{"list":["a"],"text":"abc","__proto__":{"x":1}}');
  for (const pointer of [
    "/constructor",
    "/list/length",
    "/list/00",
    "/list/-",
    "/text/0",
    "/no/way",
  ]) {
    t.is(valueAt(document, pointer), undefined, pointer);
  }
  t.is(valueAt(document, "/__proto__/x"), 1);
  t.is(valueAt({}, "/__proto__"), undefined);
});

test("~01 is ~1, and a lone ~ is no pointer", (t) => {
  t.is(valueAt({ "~1": "yes" }, "/~01"), "yes");
  t.true(isJsonPointer("/a~0b/~1"));
  t.false(isJsonPointer("/a~2"));
  t.false(isJsonPointer("token"));
});
