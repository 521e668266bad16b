import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { QuestionIds } from "../../../src/access/approvals/question-ids.ts";
import { temporaryFolder } from "../../helpers/folder.ts";

test("no number comes again after a restart", (t) => {
  const path = join(temporaryFolder(t), "state", "question-id");
  const seen = new Set<number>();
  for (let start = 0; start < 3; start++) {
    const ids = new QuestionIds(path);
    for (let count = 0; count < 12; count++) {
      const id = ids.next();
      t.false(seen.has(id), `${id}`);
      seen.add(id);
    }
  }
  t.is(Math.min(...seen), 1);
});

test("a file that is damaged, or can't be written, does not stop questions", (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "question-id");
  writeFileSync(path, "no number\n");
  t.is(new QuestionIds(path).next(), 1);
  rmSync(path);
  writeFileSync(join(folder, "file"), "");
  const ids = new QuestionIds(join(folder, "file", "question-id"));
  t.deepEqual([ids.next(), ids.next()], [1, 2]);
});
