import { constants } from "node:os";
import test from "ava";
import { explainFileError } from "../../src/base/file-error.ts";

test("a file system's error says what to do", (t) => {
  const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  t.is(explainFileError(full), "the disk is full; free some space (ENOSPC)");
  const quota = Object.assign(new Error("Unknown system error -122"), {
    code: "Unknown system error -122",
    errno: -constants.errno.EDQUOT,
  });
  t.is(explainFileError(quota), "the disk quota is used up; free some space (EDQUOT)");
  t.is(explainFileError(new Error("anything else")), "anything else");
});
