import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import {
  createFile,
  removeLeftovers,
  replaceFile,
  replaceFileNow,
} from "../../src/base/atomic-write.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const mode = (path: string) => statSync(path).mode & 0o777;

test.serial("a file is replaced whole, mode 0600, with nothing beside it", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "a.sealed");
  for (const sync of ["folder", "content", "none"] as const) {
    await replaceFile(path, Buffer.from(`async ${sync}`), { sync });
    t.is(readFileSync(path, "utf8"), `async ${sync}`);
    replaceFileNow(path, `now ${sync}`, { sync });
    t.is(readFileSync(path, "utf8"), `now ${sync}`);
  }
  t.is(mode(path), 0o600);
  t.deepEqual(readdirSync(folder), ["a.sealed"]);
});

test.serial("a write that fails leaves no temporary file", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "a.sealed");
  mkdirSync(join(path, "in the way"), { recursive: true });
  await t.throwsAsync(replaceFile(path, Buffer.from("x"), { sync: "folder" }));
  t.throws(() => replaceFileNow(path, "x", { sync: "folder" }));
  t.deepEqual(readdirSync(folder), ["a.sealed"]);
});

test.serial("a mode is kept to whatever the umask is, and a link is replaced", async (t) => {
  const folder = temporaryFolder(t);
  const precious = join(folder, "precious");
  writeFileSync(precious, "keep me");
  for (const name of ["async", "now"]) symlinkSync(precious, join(folder, name));
  // The umask is the process's: this file's tests wait for each other.
  const umask = process.umask(0o077);
  try {
    await replaceFile(join(folder, "async"), "new", { sync: "none", mode: 0o644 });
    replaceFileNow(join(folder, "now"), "new", { sync: "none", mode: 0o644 });
  } finally {
    process.umask(umask);
  }
  for (const name of ["async", "now"]) {
    t.is(readFileSync(join(folder, name), "utf8"), "new");
    t.is(mode(join(folder, name)), 0o644);
  }
  t.is(readFileSync(precious, "utf8"), "keep me");
});

test.serial("createFile never replaces a file", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "key");
  await createFile(path, Buffer.from("first"));
  for (const renameWithoutLinks of [false, true]) {
    const second = createFile(path, Buffer.from("second"), { renameWithoutLinks });
    await t.throwsAsync(second, { code: "EEXIST" });
  }
  t.is(readFileSync(path, "utf8"), "first");
  t.is(mode(path), 0o600);
  t.deepEqual(readdirSync(folder), ["key"]);
});

test.serial("leftovers of temporary files are removed, and nothing else", async (t) => {
  const folder = temporaryFolder(t);
  const keep = ["a.tmp.sealed", "b.sealed", "notes.tmp", "c.0123456789ab.tmp.sealed"];
  for (const file of [...keep, "b.sealed.0123456789ab.tmp"]) writeFileSync(join(folder, file), "");
  removeLeftovers(folder);
  t.deepEqual(readdirSync(folder).sort(), [...keep].sort());
});

test.serial("an error names the file that was to be written", async (t) => {
  const path = join(temporaryFolder(t), "nowhere", "a.sealed");
  const message = `ENOENT: no such file or directory, open '${path}'`;
  await t.throwsAsync(replaceFile(path, "x", { sync: "none" }), { code: "ENOENT", message });
  t.throws(() => replaceFileNow(path, "x", { sync: "none" }), { code: "ENOENT", message });
});
