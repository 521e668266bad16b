import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test from "ava";
import { readRegularFile } from "../../src/base/regular-file.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix } from "../helpers/optional.ts";

const MOST = 1024 ** 2;

test("a file is read as it is, an empty one too, and none is ENOENT", (t) => {
  const path = join(temporaryFolder(t), "file");
  t.throws(() => readRegularFile(path, MOST), { code: "ENOENT" });
  for (const bytes of [Buffer.alloc(0), Buffer.from([0, 255, 10])]) {
    writeFileSync(path, bytes);
    t.deepEqual(readRegularFile(path, MOST), bytes);
  }
});

test("what is too large is not read into memory", (t) => {
  const path = join(temporaryFolder(t), "file");
  writeFileSync(path, "");
  truncateSync(path, 2 ** 30);
  const before = process.memoryUsage().rss;
  t.throws(() => readRegularFile(path, MOST), { message: "it is larger than 1 MiB" });
  t.true(process.memoryUsage().rss - before < 2 ** 29);
});

onUnix("a folder, a link, a pipe and a socket are told, and none is waited for", async (t) => {
  const folder = temporaryFolder(t);
  const path = (name: string) => join(folder, name);
  mkdirSync(path("folder"));
  writeFileSync(path("file"), "x");
  symlinkSync(path("file"), path("link"));
  symlinkSync(path("nowhere"), path("dangling"));
  execFileSync("mkfifo", [path("pipe")]);
  const server = createServer().listen(path("socket"));
  t.teardown(() => server.close());
  await new Promise((listening) => server.once("listening", listening));
  const told = (name: string) =>
    t.throws(() => readRegularFile(path(name), MOST), undefined, name)?.message;
  t.is(told("folder"), "a folder is in its place");
  t.is(told("link"), "a link is in its place");
  t.is(told("dangling"), "a link is in its place");
  t.is(told("pipe"), "it is no ordinary file");
  t.is(told("socket"), "it is no ordinary file");
});
