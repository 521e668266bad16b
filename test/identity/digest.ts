import { createHash } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { Digests } from "../../src/identity/digest.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

test("a file that is written anew has another digest", async (t) => {
  const path = join(temporaryFolder(t), "program");
  const digests = new Digests();
  for (const text of ["one", "two", "three"]) {
    writeFileSync(path, text);
    t.is(await digests.of(path), digestOf(text));
    t.is(await digests.of(path), digestOf(text));
  }
});

test("many at once are read once, and one that can't be read is no answer for good", async (t) => {
  const path = join(temporaryFolder(t), "program");
  const digests = new Digests();
  await t.throwsAsync(digests.of(path), { code: "ENOENT" });
  writeFileSync(path, "now");
  const all = await Promise.all(Array.from({ length: 20 }, () => digests.of(path)));
  t.deepEqual(new Set(all), new Set([digestOf("now")]));
});

test("the digest of one file is not told for another", async (t) => {
  const path = join(temporaryFolder(t), "program");
  writeFileSync(path, "one");
  const { dev, ino } = statSync(path);
  const digests = new Digests();
  t.is(await digests.of(path, `${dev}:${ino}`), digestOf("one"));
  await t.throwsAsync(digests.of(path, `${dev}:${ino + 1}`));
});
