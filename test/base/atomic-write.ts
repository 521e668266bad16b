import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import test from "ava";
import {
  createFile,
  explain,
  makePrivateFolder,
  removeLeftovers,
  replaceFile,
} from "../../src/base/atomic-write.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const mode = (path: string) => statSync(path).mode & 0o777;

test("a file is replaced whole, mode 0600, with nothing beside it", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "a.sealed");
  for (const durable of [true, false]) {
    await replaceFile(path, Buffer.from(`durable: ${durable}`), { durable });
    t.is(readFileSync(path, "utf8"), `durable: ${durable}`);
  }
  t.is(mode(path), 0o600);
  t.deepEqual(readdirSync(folder), ["a.sealed"]);
});

test("a write that fails leaves no temporary file", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "a.sealed");
  mkdirSync(join(path, "in the way"), { recursive: true });
  await t.throwsAsync(replaceFile(path, Buffer.from("x"), { durable: true }));
  t.deepEqual(readdirSync(folder), ["a.sealed"]);
});

test("createFile never replaces a file", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "key");
  await createFile(path, Buffer.from("first"));
  await t.throwsAsync(createFile(path, Buffer.from("second")), { code: "EEXIST" });
  t.is(readFileSync(path, "utf8"), "first");
  t.is(mode(path), 0o600);
  t.deepEqual(readdirSync(folder), ["key"]);
});

test("leftovers of temporary files are removed, and nothing else", async (t) => {
  const folder = temporaryFolder(t);
  const keep = ["a.tmp.sealed", "b.sealed", "notes.tmp", "c.0123456789ab.tmp.sealed"];
  for (const file of [...keep, "b.sealed.0123456789ab.tmp"]) writeFileSync(join(folder, file), "");
  removeLeftovers(folder);
  t.deepEqual(readdirSync(folder).sort(), [...keep].sort());
});

test("the folder is made with its parents, and closed to others if it was open", (t) => {
  const folder = temporaryFolder(t);
  const fresh = join(folder, "state", "vault");
  makePrivateFolder(fresh);
  t.is(mode(fresh), 0o700);
  const open = join(folder, "open");
  mkdirSync(open, { mode: 0o755 });
  makePrivateFolder(open);
  t.is(mode(open), 0o700);
});

test("a folder that can't be made is named", (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "file"), "");
  symlinkSync(join(folder, "nowhere", "at all"), join(folder, "dangling"));
  for (const name of ["file", "file/vault", "dangling"])
    t.throws(() => makePrivateFolder(join(folder, name)), {
      name: "AuthdError",
      message: new RegExp(`The vault's folder ${join(folder, name)} can't be made`),
    });
});

test("a file system's error says what to do", (t) => {
  const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  t.is(explain(full), "the disk is full; free some space (ENOSPC)");
  const quota = Object.assign(new Error("Unknown system error -122"), {
    code: "Unknown system error -122",
    errno: -constants.errno.EDQUOT,
  });
  t.is(explain(quota), "the disk quota is used up; free some space (EDQUOT)");
  t.is(explain(new Error("anything else")), "anything else");
});
