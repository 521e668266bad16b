import test from "ava";
import { parseChallenges } from "../../src/base/challenges.ts";

const plain = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, { ...parameters }]);

test("schemes, and parameters in every spelling of RFC 9110", (t) => {
  t.deepEqual(plain('Bearer realm="a, b", ERROR=insufficient_scope , scope = "x y"'), [
    ["bearer", { realm: "a, b", error: "insufficient_scope", scope: "x y" }],
  ]);
  t.deepEqual(plain('Negotiate YWJj==, DPoP algs="ES256 \\"x\\"", Basic'), [
    ["negotiate", {}],
    ["dpop", { algs: 'ES256 "x"' }],
    ["basic", {}],
  ]);
  t.deepEqual(plain("Bearer a=1, a=2,, ,b=3"), [["bearer", { a: "1", b: "3" }]]);
});

test("what is malformed is left out, and no parameter becomes a property of all objects", (t) => {
  t.deepEqual(plain(""), []);
  t.deepEqual(plain("a=1"), []);
  t.deepEqual(plain('Bearer scope="never ends, error=insufficient_scope'), [["bearer", {}]]);
  t.deepEqual(plain("Bearer a=, b=2, (), c=3"), [["bearer", { b: "2", c: "3" }]]);
  t.is(parseChallenges("Bearer __proto__=x, x=1")[0]?.parameters.x, "1");
});

test("a hostile header takes linear time", (t) => {
  for (const unit of ['a="', "a=", 'Bearer a="x', "\\", " , ", 'a="\\'])
    t.notThrows(() => parseChallenges(unit.repeat(20_000)));
});
