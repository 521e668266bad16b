import { statSync } from "node:fs";
import { constants } from "node:os";
import test from "ava";
import { errorCode } from "../src/errors.ts";

test("the code of a system's error is told, and nothing that isn't one", (t) => {
  const error = t.throws(() => statSync("/does-not-exist"));
  t.is(errorCode(error), "ENOENT");
  t.is(errorCode(new Error("no code")), undefined);
  // A DOMException has a code that is a number.
  t.is(errorCode(new DOMException("aborted", "AbortError")), undefined);
  t.is(errorCode({ code: "ENOENT" }), undefined);
  t.is(errorCode(undefined), undefined);
});

test("a used up quota has its code, for which Node has no name", (t) => {
  const errno = -constants.errno.EDQUOT;
  const error = Object.assign(new Error("Unknown system error"), {
    errno,
    code: `Unknown ${errno}`,
  });
  t.is(errorCode(error), "EDQUOT");
});
