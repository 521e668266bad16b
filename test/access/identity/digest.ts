import { createHash } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { Contents } from "../../../src/access/identity/digest.ts";
import { temporaryFolder } from "../../helpers/folder.ts";

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

test("a file that is written anew has another digest", async (t) => {
  const path = join(temporaryFolder(t), "program");
  const contents = new Contents();
  for (const text of ["one", "two", "three"]) {
    writeFileSync(path, text);
    t.is((await contents.of(path)).sha256, digestOf(text));
    t.is((await contents.of(path)).sha256, digestOf(text));
  }
});

test("many at once are read once, and one that can't be read is no answer for good", async (t) => {
  const path = join(temporaryFolder(t), "program");
  const contents = new Contents();
  await t.throwsAsync(contents.of(path), { code: "ENOENT" });
  writeFileSync(path, "now");
  const all = await Promise.all(Array.from({ length: 20 }, () => contents.of(path)));
  t.deepEqual(new Set(all.map(({ sha256 }) => sha256)), new Set([digestOf("now")]));
});

test("the digest of one file is not told for another", async (t) => {
  const path = join(temporaryFolder(t), "program");
  writeFileSync(path, "one");
  const { dev, ino } = statSync(path);
  const contents = new Contents();
  t.like(await contents.of(path, `${dev}:${ino}`), { sha256: digestOf("one") });
  await t.throwsAsync(contents.of(path, `${dev}:${ino + 1}`));
});

test("an interpreter is known by what is in its file, also across two chunks of it", async (t) => {
  const path = join(temporaryFolder(t), "tool");
  const contents = new Contents();
  const isInterpreter = async (...parts: readonly string[]) => {
    writeFileSync(path, parts.join(""));
    return (await contents.of(path)).isInterpreter;
  };
  t.false(await isInterpreter("no interpreter, with CDPATH alone"));
  t.true(await isInterpreter("OPTIND", "x".repeat(200_000), "CDPATH"));
  // Files are read 64 KiB at a time.
  t.true(await isInterpreter("x".repeat(65_536 - 6), "Py_BytesMain"));
  t.true((await contents.of(process.execPath)).isInterpreter, "node");
});
