import { randomBytes } from "node:crypto";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { temporaryFolder } from "../../helpers/folder.ts";
import { openSample } from "../../helpers/vault.ts";

test("the key file is 0600 and holds 32 bytes as base64", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir);
  t.is(vault.keySource, "file");
  const path = join(dir, "key");
  t.is(statSync(path).mode & 0o777, 0o600);
  t.is(Buffer.from(readFileSync(path, "utf8"), "base64").length, 32);
});

test("a key file that others may read is refused, and the error says how to mend it", async (t) => {
  const dir = temporaryFolder(t);
  await (await openSample(t, dir)).vault.close();
  const path = join(dir, "key");
  chmodSync(path, 0o640);
  const { vault } = await openSample(t, dir);
  t.regex(vault.locked!, /others may read .*mode 640.*chmod 600/);
  chmodSync(path, 0o600);
  t.true(await vault.unlock());
});

test("a key file that is missing, damaged or another vault's locks the vault", async (t) => {
  const dir = temporaryFolder(t);
  const first = await openSample(t, dir);
  await first.vault.write("labelf", { secret: "one" }, { durable: true });
  await first.vault.close();
  const path = join(dir, "key");
  const good = readFileSync(path);
  rmSync(path);

  const { vault } = await openSample(t, dir, { keySource: "auto" });
  t.is(vault.keySource, "file");
  t.regex(vault.locked!, /key file .* is missing/);
  t.throws(() => statSync(path), { code: "ENOENT" });
  const other = randomBytes(32).toString("base64");
  for (const [text, message] of [
    ["", /holds no key/],
    ["too short", /holds no key/],
    [other, /is not the one/],
  ] as const) {
    writeFileSync(path, text, { mode: 0o600 });
    t.false(await vault.unlock());
    t.regex(vault.locked!, message);
    t.is(readFileSync(path, "utf8"), text);
  }
  t.false(vault.locked!.includes(other));
  writeFileSync(path, good);
  t.true(await vault.unlock());
  t.deepEqual(vault.read("labelf"), { secret: "one" });
});

test("a key file left by a first start that was cut off is taken over", async (t) => {
  const dir = temporaryFolder(t);
  const key = `${randomBytes(32).toString("base64")}\n`;
  writeFileSync(join(dir, "key"), key, { mode: 0o600 });
  const { vault } = await openSample(t, dir);
  t.is(vault.locked, undefined);
  t.is(readFileSync(join(dir, "key"), "utf8"), key);
});
