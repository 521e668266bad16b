import test from "ava";
import { isJsonPointer, memberNamed, parseJson, resolvePointer } from "../../src/grants/json.ts";

test("the pointers of RFC 6901 section 5", (t) => {
  const document = { foo: ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, " ": 7, "m~n": 8 };
  t.is(resolvePointer(document, ""), document);
  t.deepEqual(resolvePointer(document, "/foo"), ["bar", "baz"]);
  t.is(resolvePointer(document, "/foo/0"), "bar");
  t.is(resolvePointer(document, "/"), 0);
  t.is(resolvePointer(document, "/a~1b"), 1);
  t.is(resolvePointer(document, "/c%d"), 2);
  t.is(resolvePointer(document, "/ "), 7);
  t.is(resolvePointer(document, "/m~0n"), 8);
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
    t.is(resolvePointer(document, pointer), undefined, pointer);
  }
  t.is(resolvePointer(document, "/__proto__/x"), 1);
  t.is(resolvePointer({}, "/__proto__"), undefined);
});

test("~01 is ~1, and a lone ~ is no pointer", (t) => {
  t.is(resolvePointer({ "~1": "yes" }, "/~01"), "yes");
  t.true(isJsonPointer("/a~0b/~1"));
  t.false(isJsonPointer("/a~2"));
  t.false(isJsonPointer("token"));
});

test("a prefix against inclusion as a script is no part of the JSON", (t) => {
  for (const prefix of [
    ")]}',\n",
    ")]}'\n",
    ")]}",
    "while(1);",
    "while (true); ",
    "for(;;);",
    "for ( ; ; );",
    "{}&& ",
  ]) {
    t.deepEqual(parseJson(`${prefix}{"a":1}`), { a: 1 }, prefix);
  }
  t.is(parseJson("while(1)"), undefined);
  t.is(parseJson("do();{}"), undefined);
});

test("text that only looks like JSON costs no more than its length", (t) => {
  const digits = "1234567890123456";
  for (const text of [
    `${digits}"${'\\"'.repeat(500_000)}`,
    `while(1)${" ".repeat(1_000_000)}x`,
    `${" ".repeat(1_000_000)}for(;;`,
    `[${digits},${"9".repeat(1_000_000)}x`,
  ]) {
    t.is(parseJson(text), undefined);
  }
});

test("integers that a number can't hold keep their digits; others stay numbers", (t) => {
  t.deepEqual(
    parseJson(
      '{"id":12345678901234567890,"n":-9007199254740993,"s":"\\" 12345678901234567890","x":1.5e3,"m":9007199254740991}',
    ),
    {
      id: "12345678901234567890",
      n: "-9007199254740993",
      s: '" 12345678901234567890',
      x: 1500,
      m: 9007199254740991,
    },
  );
});

test("a member is found in any case and with or without underscores; its own spelling counts first", (t) => {
  t.is(memberNamed({ AccessToken: "a" }, "access_token"), "a");
  t.is(memberNamed({ ACCESS_TOKEN: "a", access_token: "b" }, "access_token"), "b");
  t.is(memberNamed({ access_token: "", accessToken: "c" }, "access_token"), "c");
  t.is(memberNamed({ expires_in: 0 }, "expires_in"), 0);
  t.is(memberNamed({ id_token: "a" }, "access_token"), undefined);
  t.is(memberNamed({}, "__proto__", "constructor"), undefined);
});
