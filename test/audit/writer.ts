import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { AuditEntry } from "../../src/audit/entry.ts";
import { KEPT } from "../../src/audit/files.ts";
import { verify } from "../../src/audit/verify.ts";
import { AuditWriter } from "../../src/audit/writer.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix } from "../helpers/optional.ts";

const entry: AuditEntry = { time: 1, event: "use", method: "getToken", outcome: "ok" };

test("lines are JSON, private, numbered, and go on where the last daemon left off", async (t) => {
  const path = join(temporaryFolder(t), "audit.log");
  for (let start = 0; start < 3; start += 1) {
    const writer = new AuditWriter(path);
    await writer.write([entry, entry], 1);
    writer.close();
  }
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  t.deepEqual(
    lines.map((line) => JSON.parse(line).n),
    [1, 2, 3, 4, 5, 6],
  );
  t.deepEqual(Object.keys(JSON.parse(lines[0]!)), [
    ...["v", "n", "time", "event", "method", "outcome", "prev"],
  ]);
  t.is(statSync(path).mode & 0o777, 0o600);
  t.deepEqual(verify(path).flaws, []);
});

test("a full file is set aside, nine are kept, and the chain goes on through all of them", async (t) => {
  const path = join(temporaryFolder(t), "audit.log");
  const writer = new AuditWriter(path, 1_000);
  for (let index = 0; index < 120; index += 1) await writer.write([entry], 1);
  writer.close();
  const { flaws, files, first, last, notes } = verify(path, { ...writer.head, exact: true });
  t.deepEqual(flaws, []);
  t.is(files.length, KEPT + 1);
  t.is(last, 120);
  t.true(first > 1);
  t.regex(notes.join(), /rotated away/);
  for (const file of files) t.true(statSync(file).size <= 1_000);
});

test("a line that a crash cut off is ended and told of, also where the file was opened before the first batch", async (t) => {
  for (const rotateAt of [undefined, 600]) {
    const path = join(temporaryFolder(t), "audit.log");
    const first = new AuditWriter(path, rotateAt);
    await first.write([entry, entry], 1);
    first.close();
    appendFileSync(path, '{"v":1,"n":3,"time"');
    const next = new AuditWriter(path, rotateAt);
    next.prepare();
    await next.write([entry], 2);
    await next.write([entry], 3);
    const { flaws, last } = verify(path, { ...next.head, exact: true });
    next.close();
    t.deepEqual(flaws, [], `rotated at ${rotateAt}`);
    t.is(last, 5);
    const lines = [path, `${path}.1`].filter((file) => existsSync(file));
    const text = lines.map((file) => readFileSync(file, "utf8")).join("\n");
    t.is(text.split('"outcome":"torn"').length, 2, "told once");
  }
});

test("one that was moved away is not written to any more, and what it held is missed", async (t) => {
  const path = join(temporaryFolder(t), "audit.log");
  const writer = new AuditWriter(path);
  await writer.write([entry, entry], 1);
  renameSync(path, `${path}.hidden`);
  await writer.write([entry], 1);
  writer.close();
  t.is(JSON.parse(readFileSync(path, "utf8")).n, 3);
  t.regex(
    verify(path)
      .flaws.map(({ message }) => message)
      .join(),
    /begins with number 3/,
  );
});

const REFUSED: Record<string, { make: (path: string) => void; says: RegExp }> = {
  "a link": {
    make: (path) => {
      writeFileSync(`${path}.target`, "");
      symlinkSync(`${path}.target`, path);
    },
    says: /a link is in its place/,
  },
  "a pipe": { make: (path) => void execFileSync("mkfifo", [path]), says: /no ordinary file/ },
  "a folder": { make: (path) => mkdirSync(path), says: /EISDIR|no ordinary file/ },
  "a file that others may write to": {
    make: (path) => {
      writeFileSync(path, "");
      chmodSync(path, 0o666);
    },
    says: /others may write/,
  },
};

for (const [what, { make, says }] of Object.entries(REFUSED)) {
  onUnix(`${what} in its place is refused`, async (t) => {
    const path = join(temporaryFolder(t), "audit.log");
    make(path);
    const writer = new AuditWriter(path);
    await t.throwsAsync(writer.write([entry], 1), { message: says });
    t.is(writer.head.n, 0);
  });
}
