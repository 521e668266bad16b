import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import test from "ava";
import {
  assertCredentialName,
  readCredentialFile,
  removeCredentialFile,
  writeCredentialFile,
} from "../../src/config/config.ts";
import { AuthdError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const TEXT = 'grant = "static"\n';

test("names that are good", (t) => {
  for (const name of ["a", "0", "labelf", "my-api.v2_test", "a".repeat(64)]) {
    t.notThrows(() => assertCredentialName(name));
  }
});

test("names that are not, and why", (t) => {
  for (const [name, why] of [
    ["", /empty/],
    ["a/b", /not a path/],
    ["../vault", /not a path/],
    ["a\\b", /not a path/],
    ["..", /starts with a letter or digit/],
    [".hidden", /starts with a letter or digit/],
    ["-x", /starts with a letter or digit/],
    ["Labelf", /upper case is not allowed; call it "labelf"/],
    ["a b", /only a-z/],
    ["ünï", /only a-z/],
    ["a\n", /only a-z/],
    ["a\0", /only a-z/],
    ["a".repeat(65), /65 characters, and 64 is the most/],
    ["a".repeat(100_000), /100000 characters/],
  ] as const) {
    const error = t.throws(() => assertCredentialName(name), {
      instanceOf: AuthdError,
      message: why,
    });
    t.is(error?.reason, "invalid_params");
    t.true((error?.message.length ?? 0) < 250);
  }
});

test("a file is written whole, for us alone, and nothing else is left", (t) => {
  const dir = join(temporaryFolder(t), "new", "authd");
  writeCredentialFile(dir, "demo", TEXT);
  writeCredentialFile(dir, "demo", `${TEXT}ttl = 60\n`);
  const folder = join(dir, "credentials");
  t.deepEqual(readdirSync(folder), ["demo.toml"]);
  t.is(statSync(folder).mode & 0o777, 0o700);
  t.is(statSync(dir).mode & 0o777, 0o700);
  t.is(statSync(join(folder, "demo.toml")).mode & 0o777, 0o600);
  t.deepEqual(readCredentialFile(dir, "demo"), { grant: "static", ttl: 60 });
  t.is(readCredentialFile(dir, "other"), undefined);
});

test("a linked file stays a link, and its target is replaced", (t) => {
  const dir = temporaryFolder(t);
  const target = join(temporaryFolder(t), "dotfile.toml");
  const link = join(dir, "credentials", "demo.toml");
  writeFileSync(target, "old");
  mkdirSync(dirname(link));
  symlinkSync(target, link);
  writeCredentialFile(dir, "demo", TEXT);
  t.true(lstatSync(link).isSymbolicLink());
  t.is(readFileSync(target, "utf8"), TEXT);
  removeCredentialFile(dir, "demo");
  t.is(lstatSync(link, { throwIfNoEntry: false }), undefined);
  t.is(readFileSync(target, "utf8"), TEXT);
});

test("a link to nothing is not written through", (t) => {
  const dir = temporaryFolder(t);
  mkdirSync(join(dir, "credentials"));
  symlinkSync("/nowhere/at/all", join(dir, "credentials", "demo.toml"));
  t.throws(() => writeCredentialFile(dir, "demo", TEXT), { message: /it is a link to nothing/ });
});

test("removing what is not there is fine", (t) => {
  const dir = temporaryFolder(t);
  t.notThrows(() => removeCredentialFile(dir, "demo"));
  writeCredentialFile(dir, "demo", TEXT);
  removeCredentialFile(dir, "demo");
  t.deepEqual(readdirSync(join(dir, "credentials")), []);
});

test("names are checked before any path is made of them", (t) => {
  for (const use of [readCredentialFile, removeCredentialFile]) {
    t.throws(() => use("/nowhere", "../x"), { instanceOf: AuthdError, message: /not a path/ });
  }
  t.throws(() => writeCredentialFile("/nowhere", "../x", TEXT), { message: /not a path/ });
});

test("a folder that can't be written to is named", (t) => {
  const dir = temporaryFolder(t);
  const path = join(dir, "credentials");
  writeCredentialFile(dir, "demo", TEXT);
  const unwritable = () => writeCredentialFile(dir, "demo", `${TEXT}ttl = 60\n`);
  whileReadOnly(path, () => {
    t.throws(unwritable, { instanceOf: AuthdError, message: /can't be written \(EACCES\)/ });
  });
  t.is(readFileSync(join(path, "demo.toml"), "utf8"), TEXT);
  rmSync(path, { recursive: true });
  writeFileSync(path, "");
  t.throws(unwritable, { instanceOf: AuthdError, message: /demo\.toml can't be written/ });
});

/** Runs `check` while the folder is read-only; root may write anywhere, so it becomes nobody. */
function whileReadOnly(folder: string, check: () => void): void {
  const root = process.getuid?.() === 0;
  chmodSync(dirname(folder), 0o755);
  chmodSync(folder, 0o555);
  if (root) process.seteuid?.(65_534);
  try {
    check();
  } finally {
    if (root) process.seteuid?.(0);
    chmodSync(folder, 0o700);
  }
}

test("a file that is TOML but can't be settings is named", (t) => {
  const dir = temporaryFolder(t);
  mkdirSync(join(dir, "credentials"));
  const file = join(dir, "credentials", "demo.toml");
  for (const [text, says] of [
    ["[request.__proto__]", /__proto__/],
    [`${"a.".repeat(5_000)}a = 1`, /64 tables and lists deep/],
    [`a = ${"[".repeat(100)}${"]".repeat(100)}`, /64 tables and lists deep/],
  ] as const) {
    writeFileSync(file, text, { mode: 0o600 });
    const error = t.throws(() => readCredentialFile(dir, "demo"), { instanceOf: AuthdError });
    t.is(error?.reason, "invalid_params");
    t.regex(error?.message ?? "", says);
    t.true(error?.message.startsWith(file));
  }
});
