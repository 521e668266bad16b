import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { NotifiedProblems } from "../../src/observe/notified-problems.ts";
import { temporaryFolder } from "../helpers/folder.ts";

test("what was told is known after a restart, in a file of one's own", async (t) => {
  const path = join(temporaryFolder(t), "state", "told.json");
  const told = new NotifiedProblems(path);
  told.add("a credential_rejected");
  told.add("b unsaved");
  told.delete("a credential_rejected");
  told.delete("never there");
  await told.settled();
  t.deepEqual(new NotifiedProblems(path).keys(), ["b unsaved"]);
  t.is(statSync(path).mode & 0o777, 0o600);
});

test("a file that is broken, or can't be written, costs nothing but a repetition", async (t) => {
  const path = join(temporaryFolder(t), "told.json");
  for (const text of ["", "{}", "nul", "[1, null]"]) {
    writeFileSync(path, text);
    t.deepEqual(new NotifiedProblems(path).keys(), []);
  }
  const below = new NotifiedProblems(join(path, "no-folder", "told.json"));
  below.add("a unsaved");
  await below.settled();
  t.true(below.has("a unsaved"));
  t.is(readFileSync(path, "utf8"), "[1, null]");
});

test("a file of an earlier version counts, in today's words", async (t) => {
  const path = join(temporaryFolder(t), "told.json");
  writeFileSync(path, '["b unsealed","a credential_rejected"]');
  t.deepEqual(new NotifiedProblems(path).keys(), ["b unsaved", "a credential_rejected"]);
});
