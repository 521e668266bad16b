import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { StoreRefusal } from "../../../../src/vault/store/index.ts";
import { passwordIn } from "../../../../src/vault/store/postgres/password-file.ts";
import { temporaryFolder } from "../../../helpers/folder.ts";
import { onUnix } from "../../../helpers/optional.ts";

const LOGIN = { host: "db.example.com", port: 5432, database: "authd", user: "authd" };

function fileOf(folder: string, ...lines: readonly string[]): string {
  const file = join(folder, ".pgpass");
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  return file;
}

test("the first line that fits has the password", (t) => {
  const file = fileOf(
    temporaryFolder(t),
    "# db.example.com:5432:authd:authd:in a remark",
    "other.example.com:5432:authd:authd:of-another-host",
    "db.example.com:5433:*:*:of-another-port",
    "db.example.com:5432:authd",
    "db.example.com:5432:authd:authd:",
    "*:*:authd:role\\:with\\\\marks:of\\:marks",
    "db.example.com:*:authd:authd:the-first",
    "*:*:*:*:the-last",
  );
  t.is(passwordIn(file, { ...LOGIN, user: "role:with\\marks" }), "of:marks");
  t.is(passwordIn(file, { ...LOGIN, port: 5433 }), "of-another-port");
  t.is(passwordIn(file, { ...LOGIN, database: "other" }), "the-last");
  t.is(passwordIn(file, { ...LOGIN, user: "other" }), "the-last");
  // A line without a password is none.
  t.is(passwordIn(fileOf(temporaryFolder(t), "*:*:*:*:"), LOGIN), undefined);
});

test("a server on a Unix socket is called localhost, or by its folder", (t) => {
  const folder = temporaryFolder(t);
  const login = { ...LOGIN, host: "/run/postgresql" };
  t.is(passwordIn(fileOf(folder, "localhost:5432:authd:authd:here"), login), "here");
  t.is(passwordIn(fileOf(folder, "/run/postgresql:*:*:*:there"), login), "there");
  t.is(passwordIn(fileOf(folder, "db.example.com:*:*:*:away"), login), undefined);
});

onUnix(
  "one that others may read, or that is no file, is not used, and is said; none is no error",
  (t) => {
    const folder = temporaryFolder(t);
    t.is(passwordIn(join(folder, "none"), LOGIN), undefined);
    const file = fileOf(folder, "*:*:*:*:for-all");
    chmodSync(file, 0o640);
    const error = t.throws(() => passwordIn(file, LOGIN), { instanceOf: StoreRefusal });
    t.true(error?.message.endsWith(`chmod 600 ${file}`));
    mkdirSync(join(folder, "dir"), { mode: 0o700 });
    t.throws(() => passwordIn(join(folder, "dir"), LOGIN), { instanceOf: StoreRefusal });
  },
);
