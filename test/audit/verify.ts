/** Whatever somebody does to a log, verify finds it. */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { AuditEntry, AuditHead } from "../../src/audit/entry.ts";
import { verify } from "../../src/audit/verify.ts";
import { AuditWriter } from "../../src/audit/writer.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const entry = (index: number): AuditEntry => ({
  time: 1_000 + index,
  event: "use",
  method: "getToken",
  credential: `c${index % 3}`,
  outcome: "ok",
  peer: { uid: 1000, pid: 4711, program: "/usr/bin/\u001b[31mbackup" },
});

/** A log of `count` lines, and how far it goes. */
async function written(
  t: ExecutionContext,
  count: number,
  rotateAt?: number,
): Promise<{ path: string; head: AuditHead }> {
  const path = join(temporaryFolder(t), "audit.log");
  const writer = new AuditWriter(path, rotateAt);
  for (let index = 0; index < count; index += 5) {
    const size = Math.min(5, count - index);
    await writer.write(
      Array.from({ length: size }, (_, at) => entry(index + at)),
      0,
    );
  }
  writer.close();
  return { path, head: writer.head };
}

const linesOf = (path: string) => readFileSync(path, "utf8").split("\n").slice(0, -1);
const put = (path: string, lines: readonly string[]) =>
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));

/** The same numbers each time. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

test("a log that nobody touched is sound, over all of its files", async (t) => {
  const { path, head } = await written(t, 103, 4_000);
  const { flaws, notes, lines, first, last, files } = verify(path, { ...head, exact: true });
  t.deepEqual(flaws, []);
  t.is(last, 103);
  t.is(lines, last - first + 1);
  t.true(files.length > 3);
  if (first > 1) t.regex(notes.join(), /rotated away/);
});

const TAMPERING: Record<string, (lines: string[], pick: (below: number) => number) => string[]> = {
  "a changed byte": (lines, pick) => {
    const at = pick(lines.length);
    const line = lines[at]!;
    const index = pick(line.length);
    const other = line[index] === "7" ? "8" : "7";
    return lines.with(at, line.slice(0, index) + other + line.slice(index + 1));
  },
  "a changed name": (lines, pick) => {
    const at = pick(lines.length);
    return lines.with(at, lines[at]!.replace(/"c\d"/, '"zz"'));
  },
  "a removed line": (lines, pick) => lines.toSpliced(pick(lines.length), 1),
  "removed lines": (lines, pick) => lines.toSpliced(pick(lines.length), 2 + pick(5)),
  "a copied line": (lines, pick) =>
    lines.toSpliced(pick(lines.length + 1), 0, lines[pick(lines.length)]!),
  "two lines in each other's place": (lines, pick) => {
    const [one, other] = [pick(lines.length - 1), lines.length - 1];
    return lines.with(one, lines[other]!).with(other, lines[one]!);
  },
  "a line of one's own": (lines, pick) => {
    const at = pick(lines.length);
    return lines.toSpliced(at, 0, lines[at]!.replace('"ok"', '"internal"'));
  },
  "an end that is cut off": (lines, pick) => lines.slice(0, pick(lines.length)),
  "a text in between": (lines, pick) => lines.toSpliced(pick(lines.length), 0, "hello"),
  "an empty line": (lines, pick) => lines.toSpliced(pick(lines.length), 0, ""),
  "a new log in its place": (lines) => lines.slice(0, 0),
};

for (const [what, tamper] of Object.entries(TAMPERING)) {
  test(`${what} is found, wherever it is`, async (t) => {
    const { path, head } = await written(t, 30);
    const lines = linesOf(path);
    for (let seed = 1; seed <= 60; seed += 1) {
      const changed = tamper(lines, random(seed * 7_919));
      put(path, changed);
      const { flaws } = verify(path, { ...head, exact: true });
      t.true(flaws.length > 0, `seed ${seed}`);
      const whole = flaws.every(({ line }) => line <= changed.length + 1);
      t.true(whole);
    }
  });
}

test("in a file that was set aside it is found as well, by file and line", async (t) => {
  const { path, head } = await written(t, 60, 5_000);
  const aside = `${path}.1`;
  const lines = linesOf(aside);
  put(aside, lines.with(3, lines[3]!.replace("getToken", "setToken")));
  const { flaws } = verify(path, head);
  t.deepEqual(
    flaws.map(({ file, line }) => [file, line]),
    [[aside, 4]],
  );
  put(aside, lines);
  t.deepEqual(verify(path, head).flaws, []);
  put(`${path}.2`, []);
  t.true(verify(path, head).flaws.length > 0);
});

test("without a head a cut end can't be told, and everything else can", async (t) => {
  const { path } = await written(t, 10);
  const lines = linesOf(path);
  put(path, lines.slice(0, 6));
  t.deepEqual(verify(path).flaws, []);
  put(path, lines.toSpliced(2, 1));
  t.deepEqual(
    verify(path).flaws.map(({ line }) => line),
    [3],
  );
});

test("what a crash leaves of a line is told from tampering, before the next start and after it", async (t) => {
  const { path, head } = await written(t, 10);
  appendFileSync(path, '{"v":1,"n":11,"time":10');
  const before = verify(path, head);
  t.deepEqual(before.flaws, []);
  t.regex(before.notes.join(), /line 11: cut off/);

  const writer = new AuditWriter(path);
  await writer.write([entry(11)], 5);
  writer.close();
  const after = verify(path, { ...writer.head, exact: true });
  t.deepEqual(after.flaws, []);
  t.is(after.last, 12);
  t.regex(after.notes.join(), /line 11: left by a crash/);

  const lines = linesOf(path);
  put(path, lines.with(10, '{"v":1,"n":11,"time":11'));
  t.true(verify(path).flaws.length > 0, "what it left was changed");
  put(path, lines.toSpliced(10, 1));
  t.true(verify(path).flaws.length > 0, "what it left was removed");
});
