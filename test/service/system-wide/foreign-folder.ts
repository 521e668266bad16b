import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { foreignFolder } from "../../../src/service/system-wide/foreign-folder.ts";
import { temporaryFolder } from "../../helpers/folder.ts";

test("a folder that another program has filled is foreign; an empty one, a missing one and ours are not", (t) => {
  const dir = temporaryFolder(t);
  const places = { configDir: join(dir, "etc"), stateDir: join(dir, "lib") };
  t.is(foreignFolder(places), undefined);
  mkdirSync(places.configDir);
  mkdirSync(places.stateDir);
  t.is(foreignFolder(places), undefined);
  mkdirSync(join(places.configDir, "brokers.d"));
  t.is(foreignFolder(places), places.configDir);
  writeFileSync(join(places.configDir, "config.toml"), "");
  t.is(foreignFolder(places), undefined);
  writeFileSync(join(places.stateDir, "users.db"), "");
  t.is(foreignFolder(places), places.stateDir);
  mkdirSync(join(places.stateDir, "vault"));
  t.is(foreignFolder(places), undefined);
});
