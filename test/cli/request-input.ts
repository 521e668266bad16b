import test from "ava";
import { parseHeaders } from "../../src/cli/request.ts";
import { contentTypeOf } from "../../src/cli/request-body.ts";

test("a body is JSON if it parses as such, otherwise a form", (t) => {
  t.is(contentTypeOf(Buffer.from('{"a":1}')), "application/json");
  t.is(contentTypeOf(Buffer.from("[]")), "application/json");
  t.is(contentTypeOf(Buffer.from("a=1&b=2")), "application/x-www-form-urlencoded");
  t.is(contentTypeOf(Buffer.from([0xff, 0xfe])), "application/x-www-form-urlencoded");
});

test("-H takes name: value", (t) => {
  t.deepEqual(parseHeaders(["Accept: text/plain", "X-A:1", "x-a: 2", "x-empty:"]), {
    accept: "text/plain",
    "x-a": "1, 2",
    "x-empty": "",
  });
  for (const wrong of ["accept", ": x", ""]) {
    t.throws(() => parseHeaders([wrong]), { message: /-H takes 'name: value'/ });
  }
});

test("-H takes names that every object has, and refuses the one that none can have", (t) => {
  t.deepEqual(parseHeaders(["constructor: 1", "toString: 2", "toString: 3"]), {
    constructor: "1",
    tostring: "2, 3",
  } as object as Record<string, string>);
  t.throws(() => parseHeaders(["__proto__: 1"]), { message: /not a header name/ });
});
