import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { storeTableRemoval, writeStoreTable } from "../../src/config/store-table.ts";
import { temporaryFolder } from "../helpers/folder.ts";

test("the table of a store comes and goes; all else stays", (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, "config.toml");
  const [before, after] = ["audit = true\n", '\n[metrics]\nfile = "/tmp/metrics"\n'];
  writeFileSync(file, before, { mode: 0o600 });
  writeStoreTable(dir, { url: "https://store.example.com" } as Parameters<
    typeof writeStoreTable
  >[1]);
  t.regex(readFileSync(file, "utf8"), /^audit = true\n\n\[store\]\nurl = "https:/);
  writeFileSync(file, readFileSync(file, "utf8") + after);
  storeTableRemoval(dir)();
  t.is(readFileSync(file, "utf8"), `${before}${after}`);
  writeFileSync(file, `${before}${"\n".repeat(50)}[store]\n`);
  storeTableRemoval(dir)();
  t.is(readFileSync(file, "utf8"), before);
});

const OTHERS = "audit = true\n";
const SAME = [
  '[ store ]\nurl = "file:///x"\n',
  '["store"]\nurl = "file:///x"\ngroups = [\n  "a",\n]\n',
  "['store'] # of the team\nurl = \"file:///x\"\n",
];
const OTHERWISE = [
  'store = { url = "file:///x", host = "a" }\n',
  'store.url = "file:///x"\n',
  '[store]\nurl = "x"\ngroups = [\n  [ ],\n]\n',
  "[store.url]\n",
  "[store\n",
];

test("a table in other words goes, too; what is no table of its own is told, and stays", (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, "config.toml");
  for (const text of SAME) {
    writeFileSync(file, OTHERS + text, { mode: 0o600 });
    storeTableRemoval(dir)();
    t.is(readFileSync(file, "utf8"), OTHERS);
  }
  for (const text of OTHERWISE) {
    writeFileSync(file, OTHERS + text);
    t.throws(() => storeTableRemoval(dir), { message: /config\.toml: the store is not named by/ });
    t.is(readFileSync(file, "utf8"), OTHERS + text);
  }
});

test("a host without settings gets the folder for them, which is its own", (t) => {
  const dir = join(temporaryFolder(t), "config", "authd");
  writeStoreTable(dir, { url: "file:///srv/authd", host: "web-1" });
  t.is(
    readFileSync(join(dir, "config.toml"), "utf8"),
    '[store]\nurl = "file:///srv/authd"\nhost = "web-1"\n',
  );
  if (process.platform !== "win32") t.is(statSync(dir).mode & 0o777, 0o700);
});
