import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { removeStoreTable, writeStoreTable } from "../../src/config/store-table.ts";
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
  removeStoreTable(dir);
  t.is(readFileSync(file, "utf8"), `${before}${after}`);
  writeFileSync(file, `${before}${"\n".repeat(50)}[store]\n`);
  removeStoreTable(dir);
  t.is(readFileSync(file, "utf8"), before);
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
