import { mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makePrivateFolder } from "../../src/base/private-folder.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const mode = (path: string) => statSync(path).mode & 0o777;

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
