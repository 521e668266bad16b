import test from "ava";
import { omitUndefined } from "../../src/base/omit-undefined.ts";

test("members that are undefined are left out, and no other", (t) => {
  const members: { a: number; b: string | undefined; c: null; d: boolean | undefined } = {
    a: 0,
    b: undefined,
    c: null,
    d: false,
  };
  const defined = omitUndefined(members);
  // The type says the same: `a` is required, `b` optional.
  const typed: { a: number; b?: string; c: null; d?: boolean } = defined;
  t.deepEqual(typed, { a: 0, c: null, d: false });
  t.false("b" in defined);
  t.true("b" in members);
});
