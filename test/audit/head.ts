import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { type KnownEnd, pathOf, readEnd, textOf, writeHead } from "../../src/audit/head.ts";
import { AuditLast } from "../../src/audit/last.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const key = { key: Buffer.alloc(32, 1), keyId: "one" };
const end = (n: number) => ({ n, hash: `${n}`.padStart(64, "0"), first: 1 });

const wrongWith = (known: KnownEnd) =>
  "is" in known ? `${known.is}: ${known.wrong.split(":")[0]}` : "nothing";

test("in the same boot the last lines count, after another one what was on the disk for certain", async (t) => {
  const log = join(temporaryFolder(t), "audit.log");
  const last = new AuditLast(log, "this boot");
  await writeHead(log, end(3), key, "this boot");
  for (const n of [4, 12345, 5]) await last.write(end(n), key);
  last.close();
  t.like(readEnd(log, key, "this boot"), { from: "audit.last", head: end(5) });
  // The power was cut: lines that were not synced may be gone with it.
  t.like(readEnd(log, key, "the next boot"), { from: "audit.head", head: end(3) });
  // Where the system tells no boot from another, nothing was written with the lines.
  t.like(readEnd(log, key, ""), { from: "audit.head", head: end(3) });
});

test("an older copy of audit.last does not hide what audit.head tells", async (t) => {
  const log = join(temporaryFolder(t), "audit.log");
  await writeHead(log, end(9), key, "this boot");
  writeFileSync(pathOf("last", log), textOf("last", end(5), key, "this boot"));
  t.like(readEnd(log, key, "this boot"), { from: "audit.head", head: end(9) });
});

test("audit.last is expected only of a daemon that writes it", async (t) => {
  const log = join(temporaryFolder(t), "audit.log");
  await writeHead(log, end(3), key, "");
  t.like(readEnd(log, key, "this boot"), { from: "audit.head" });
  await writeHead(log, end(3), key, "this boot");
  t.is(wrongWith(readEnd(log, key, "this boot")), "absent: audit.last is missing");
  t.like(readEnd(log, key, "the next boot"), { from: "audit.head" });
});

test("an audit.head from before there was an audit.last is understood", (t) => {
  const log = join(temporaryFolder(t), "audit.log");
  // As the version before has written it.
  const mac = "a824ee9e57e6a4e29b1265606e545c757dd07ee9a6bd0abc15a5afca5ba7fdd9";
  const old = { v: 1, ...end(7), keyId: "one", mac };
  writeFileSync(pathOf("head", log), `${JSON.stringify(old)}\n`);
  t.like(readEnd(log, key, "this boot"), { from: "audit.head", head: end(7) });
  writeFileSync(pathOf("head", log), `${JSON.stringify({ ...old, n: 6 })}\n`);
  t.like(readEnd(log, key, "this boot"), { is: "forged" });
});

test("neither file passes for the other, nor for one of another key", async (t) => {
  const log = join(temporaryFolder(t), "audit.log");
  await writeHead(log, end(3), key, "this boot");
  writeFileSync(pathOf("last", log), textOf("head", end(3), key, "this boot"));
  t.regex(wrongWith(readEnd(log, key, "this boot")), /^forged: audit\.last was not made by/);
  const other = { key: Buffer.alloc(32, 2), keyId: "two" };
  t.like(readEnd(log, other, "this boot"), { is: "other-key" });
});
