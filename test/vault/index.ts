import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { openSample } from "../helpers/vault.ts";

const durable = { durable: true };
const asideFiles = (dir: string) => readdirSync(dir).filter((file) => file.includes(".damaged-"));

test("what was written is there in the next process's vault", async (t) => {
  const dir = join(temporaryFolder(t), "state", "vault");
  const { vault, log } = await openSample(t, dir);
  t.is(vault.read("labelf"), undefined);
  await vault.write("labelf", { secret: "one" }, durable);
  await vault.write("zebbra", { secret: "two" }, { durable: false });
  t.deepEqual(vault.read("labelf"), { secret: "one" });
  await vault.close();

  const again = await openSample(t, dir);
  t.deepEqual(again.vault.names(), ["labelf", "zebbra"]);
  t.deepEqual(again.vault.read("labelf"), { secret: "one" });
  t.deepEqual(again.vault.read("zebbra"), { secret: "two" });
  await again.vault.remove("labelf");
  await again.vault.remove("labelf");
  t.is(again.vault.read("labelf"), undefined);
  t.deepEqual(again.vault.names(), ["zebbra"]);
  t.deepEqual(log, [`New vault in ${dir}; the source of its key is: file`]);
  t.deepEqual(again.log, []);
});

test("every file is 0600 in a folder 0700, and holds no secret", async (t) => {
  const dir = join(temporaryFolder(t), "vault");
  const { vault } = await openSample(t, dir);
  await vault.write("labelf", { secret: "open sesame" }, durable);
  t.is(statSync(dir).mode & 0o777, 0o700);
  t.deepEqual(readdirSync(dir).sort(), ["key", "labelf.sealed", "lock", "vault.json"]);
  for (const file of readdirSync(dir)) {
    t.is(statSync(join(dir, file)).mode & 0o777, 0o600, file);
    t.false(readFileSync(join(dir, file)).includes("sesame"), file);
  }
});

test("no name collides with the vault's own files, and none leaves the folder", async (t) => {
  const dir = join(temporaryFolder(t), "vault");
  const { vault } = await openSample(t, dir);
  const names = [
    "a.tmp",
    "key",
    "lock",
    "vault.json",
    "a.sealed",
    "a",
    "a.damaged-1",
    "a".repeat(64),
  ];
  for (const name of names) await vault.write(name, { secret: name }, { durable: false });
  await vault.close();
  const again = await openSample(t, dir);
  t.deepEqual(again.vault.names(), [...names].sort());
  for (const name of names) t.deepEqual(again.vault.read(name), { secret: name });

  for (const name of ["", "..", "../a", "a/b", "A", ".a", "-a", "a\0b", "a".repeat(65), "a\n"]) {
    t.throws(() => again.vault.read(name), { message: /can't name a credential/ }, name);
    await t.throwsAsync(again.vault.write(name, { secret: "" }, durable), {
      message: /can't name a credential/,
    });
    await t.throwsAsync(again.vault.remove(name), { message: /can't name a credential/ });
  }
});

test("writes of one name happen in the order of the calls", async (t) => {
  const { vault } = await openSample(t, temporaryFolder(t));
  const content = { secret: "" };
  const writes: Promise<void>[] = [];
  for (let turn = 0; turn < 100; turn++) {
    content.secret = `${turn}`;
    writes.push(vault.write("labelf", content, { durable: turn % 2 === 0 }));
  }
  content.secret = "changed after the call";
  await Promise.all(writes);
  t.deepEqual(vault.read("labelf"), { secret: "99" });
  await Promise.all([
    vault.remove("labelf"),
    vault.write("labelf", { secret: "new" }, durable),
    vault.write("zebbra", { secret: "gone" }, durable),
    vault.remove("zebbra"),
  ]);
  t.deepEqual(vault.read("labelf"), { secret: "new" });
  t.deepEqual(vault.names(), ["labelf"]);
});

test("a damaged file costs that one credential and is not overwritten", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir);
  await vault.write("labelf", { secret: "one" }, durable);
  await vault.write("zebbra", { secret: "two" }, durable);
  const path = join(dir, "labelf.sealed");
  const bytes = readFileSync(path).subarray(0, -1);
  writeFileSync(path, bytes);

  const expected = {
    instanceOf: AuthdError,
    message: /The sealed file of "labelf" can't be opened/,
  };
  const error = t.throws<AuthdError>(() => vault.read("labelf"), expected);
  t.is(error?.reason, "credential_damaged");
  await t.throwsAsync(vault.write("labelf", { secret: "new" }, durable), expected);
  t.deepEqual(readFileSync(path), bytes);
  t.deepEqual(vault.read("zebbra"), { secret: "two" });
  t.deepEqual(vault.names(), ["labelf", "zebbra"]);
});

test("a damaged file that is replaced or removed on purpose is kept beside", async (t) => {
  const dir = temporaryFolder(t);
  const { vault, log } = await openSample(t, dir);
  const path = join(dir, "labelf.sealed");
  writeFileSync(path, "broken once");
  await vault.write("labelf", { secret: "new" }, { durable: true, replaceDamaged: true });
  t.deepEqual(vault.read("labelf"), { secret: "new" });
  t.is(readFileSync(join(dir, asideFiles(dir)[0]!), "utf8"), "broken once");
  t.regex(log.at(-1)!, /"labelf" could not be opened; it is kept as .*labelf\.damaged-/);
  rmSync(join(dir, asideFiles(dir)[0]!));

  writeFileSync(path, "broken twice");
  await vault.remove("labelf");
  t.deepEqual(vault.names(), []);
  t.is(readFileSync(join(dir, asideFiles(dir)[0]!), "utf8"), "broken twice");
});

test("what can't be read at all, or is newer, counts as damaged too", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir);
  mkdirSync(join(dir, "folder.sealed"));
  writeFileSync(join(dir, "newer.sealed"), '{"authd":"sealed","format":2}\n');
  t.throws(() => vault.read("folder"), { message: /can't be read: a folder is in its place/ });
  t.throws(() => vault.read("newer"), { message: /made by a newer authd/ });
  await t.throwsAsync(vault.write("newer", { secret: "" }, durable), { message: /newer authd/ });
  await vault.write("folder", { secret: "x" }, { durable: true, replaceDamaged: true });
  t.deepEqual(vault.read("folder"), { secret: "x" });
  t.true(statSync(join(dir, asideFiles(dir)[0]!)).isDirectory());
});

test("another credential's file, or another vault's, is not opened", async (t) => {
  const [dir, otherDir] = [temporaryFolder(t), temporaryFolder(t)];
  const { vault } = await openSample(t, dir);
  const { vault: other } = await openSample(t, otherDir);
  await vault.write("labelf", { secret: "one" }, durable);
  await other.write("realtyna", { secret: "two" }, durable);
  copyFileSync(join(dir, "labelf.sealed"), join(dir, "zebbra.sealed"));
  copyFileSync(join(otherDir, "realtyna.sealed"), join(dir, "realtyna.sealed"));
  t.throws(() => vault.read("zebbra"), { message: /belongs to another credential/ });
  t.throws(() => vault.read("realtyna"), { message: /another vault's key/ });
});

test("what an interrupted write left behind is cleaned up at open", async (t) => {
  const dir = temporaryFolder(t);
  const leftover = join(dir, "labelf.sealed.0123456789ab.tmp");
  writeFileSync(leftover, "half");
  const { vault } = await openSample(t, dir);
  t.false(existsSync(leftover));
  t.deepEqual(vault.names(), []);
});

test("a folder removed while the vault is open is made again, key and all", async (t) => {
  const dir = join(temporaryFolder(t), "state", "vault");
  const { vault, log } = await openSample(t, dir);
  await vault.write("labelf", { secret: "lost" }, durable);
  rmSync(join(dir, ".."), { recursive: true });
  t.deepEqual(vault.names(), []);
  t.is(vault.read("labelf"), undefined);
  await Promise.all(
    ["labelf", "zebbra", "realtyna"].map((name) => vault.write(name, { secret: name }, durable)),
  );
  t.is(log.filter((line) => line.includes("was removed while it was open")).length, 1);
  await t.throwsAsync(openSample(t, dir), { message: /in use by another authd/ });
  await vault.close();

  const again = await openSample(t, dir);
  t.deepEqual(again.vault.read("zebbra"), { secret: "zebbra" });
});

test("another vault put in place of an open one is left alone", async (t) => {
  const folder = temporaryFolder(t);
  const dir = join(folder, "vault");
  const { vault } = await openSample(t, dir);
  rmSync(dir, { recursive: true });
  const { vault: other } = await openSample(t, dir);
  await t.throwsAsync(vault.write("labelf", { secret: "x" }, durable), {
    message: /in use by another/,
  });
  await other.close();
  for (const _ of ["first", "second"]) {
    await t.throwsAsync(vault.write("labelf", { secret: "x" }, durable), {
      message: /Another vault/,
    });
  }
  t.deepEqual(vault.names(), []);
  await (await openSample(t, dir)).vault.close();
  rmSync(dir, { recursive: true });
  await vault.write("labelf", { secret: "x" }, durable);
  t.true(await vault.ensure());
  t.false(await vault.ensure());
  await vault.close();
  t.deepEqual((await openSample(t, dir)).vault.read("labelf"), { secret: "x" });
});

test("close finishes what was asked for; afterwards nothing works", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir);
  const writes = Array.from({ length: 50 }, (_, index) =>
    vault.write(`n${index}`, { secret: "x" }, { durable: false }),
  );
  await Promise.all([vault.close(), vault.close()]);
  await Promise.all(writes);
  t.is(vault.names().length, 50);
  const closed = { instanceOf: AuthdError, message: /The vault is closed/ };
  t.throws(() => vault.read("n1"), closed);
  await t.throwsAsync(vault.write("n1", { secret: "x" }, durable), closed);
  await t.throwsAsync(vault.remove("n1"), closed);
  t.false(await vault.unlock());
});

test("a thousand names written at once do not run out of open files", async (t) => {
  const { vault } = await openSample(t, temporaryFolder(t));
  const names = Array.from({ length: 1000 }, (_, index) => `n${index}`);
  await Promise.all(names.map((name) => vault.write(name, { secret: name }, { durable: false })));
  t.is(names.filter((name) => vault.read(name)?.secret === name).length, 1000);
});

test("an existing vault keeps its key source", async (t) => {
  const dir = temporaryFolder(t);
  await (await openSample(t, dir)).vault.close();
  const error = await t.throwsAsync<AuthdError>(openSample(t, dir, { keySource: "passphrase" }), {
    message: /sealed with a key from file, but passphrase is asked for/,
  });
  t.is(error?.reason, "invalid_params");
  const { vault } = await openSample(t, dir, { keySource: "auto" });
  t.is(vault.keySource, "file");
  t.is(vault.locked, undefined);
});

test("a vault whose vault.json is lost, damaged or newer is locked, and never gets a new key", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir);
  await vault.write("labelf", { secret: "one" }, durable);
  await vault.close();
  const path = join(dir, "vault.json");
  const good = readFileSync(path);
  const sealed = readFileSync(join(dir, "labelf.sealed"));

  const { vault: hurt } = await openSample(t, dir, { keySource: "auto" });
  t.is(hurt.locked, undefined);
  await hurt.close();

  rmSync(path);
  const { vault: lost } = await openSample(t, dir);
  t.regex(lost.locked!, /holds sealed files, but no vault\.json/);
  t.deepEqual(lost.names(), ["labelf"]);
  const error = t.throws<AuthdError>(() => lost.read("labelf"), { message: lost.locked! });
  t.is(error?.reason, "vault_locked");
  await t.throwsAsync(lost.write("zebbra", { secret: "" }, durable), { message: lost.locked! });
  await t.throwsAsync(lost.remove("labelf"), { message: lost.locked! });

  for (const [text, message] of [
    ["{", /is damaged/],
    ["null", /is damaged/],
    ['{"format":1}', /is damaged/],
    [String(good).replace('"file"', '"toString"'), /is damaged/],
    ['{"format":2}', /made by a newer authd/],
  ] as const) {
    writeFileSync(path, text);
    t.false(await lost.unlock());
    t.regex(lost.locked!, message);
    t.is(readFileSync(path, "utf8"), text);
  }
  writeFileSync(path, good);
  t.true(await lost.unlock());
  t.is(lost.locked, undefined);
  t.deepEqual(lost.read("labelf"), { secret: "one" });
  t.deepEqual(readFileSync(join(dir, "labelf.sealed")), sealed);
});

test("a vault.json that was edited does not pass for the right key", async (t) => {
  const dir = temporaryFolder(t);
  await (await openSample(t, dir)).vault.close();
  const path = join(dir, "vault.json");
  const header = JSON.parse(readFileSync(path, "utf8"));
  chmodSync(path, 0o600);
  writeFileSync(path, JSON.stringify({ ...header, keyId: "0000000000000000" }));
  const { vault } = await openSample(t, dir);
  t.regex(vault.locked!, /key from file is not the one/);
});

test("a write that is begun while the vault is being locked is sealed with the key, not with what is left of it", async (t) => {
  const dir = join(temporaryFolder(t), "vault");
  const passphrase = async () => "one of them";
  const { vault } = await openSample(t, dir, { keySource: "passphrase", passphrase });
  const names = Array.from({ length: 6 }, (_, index) => `after-${index}`);
  // Each comes a few promises later than the one before.
  let before: Promise<void> = vault.write("first", { secret: "one" }, durable);
  const writes = names.map((name) => {
    before = before.then();
    return before.then(() => vault.write(name, { secret: name }, durable)).catch(() => {});
  });
  await vault.lock("it was asked for");
  await Promise.all(writes);
  await vault.open("one of them");
  for (const name of vault.names()) t.notThrows(() => vault.read(name), name);
});

test("a vault.json that is replaced while the vault is open is put back", async (t) => {
  const dir = temporaryFolder(t);
  const other = temporaryFolder(t);
  await (await openSample(t, other)).vault.close();
  const { vault, log } = await openSample(t, dir);
  await vault.write("labelf", { secret: "one" }, durable);
  const path = join(dir, "vault.json");
  const own = readFileSync(path, "utf8");
  for (const spoil of [
    () => copyFileSync(join(other, "vault.json"), path),
    () => writeFileSync(path, "{}"),
  ]) {
    spoil();
    t.false(await vault.ensure());
    t.is(readFileSync(path, "utf8"), own);
    t.regex(log.at(-1)!, /vault\.json was changed while the vault was open; it was put back/);
  }
  await vault.rekey("file");
  const rekeyed = readFileSync(path, "utf8");
  writeFileSync(path, own);
  await vault.write("labelf", { secret: "two" }, durable);
  t.is(readFileSync(path, "utf8"), rekeyed);
  await vault.close();
  t.deepEqual((await openSample(t, dir)).vault.read("labelf"), { secret: "two" });
});
