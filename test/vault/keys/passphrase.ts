import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { temporaryFolder } from "../../helpers/folder.ts";
import { openSample } from "../../helpers/vault.ts";

const keySource = "passphrase";

// One after another: scrypt takes 128 MiB each time.
test.serial("a passphrase is asked for, and only the right one opens the vault", async (t) => {
  const dir = temporaryFolder(t);
  const questions: boolean[] = [];
  const answers = ["battery staple", "battery stable", "", undefined, "battery staple"];
  const passphrase = async ({ isNew }: { isNew: boolean }) => {
    questions.push(isNew);
    return answers.shift();
  };
  const { vault } = await openSample(t, dir, { keySource, passphrase });
  await vault.write("labelf", { secret: "one" }, { durable: true });
  await vault.close();
  const header = JSON.parse(readFileSync(join(dir, "vault.json"), "utf8"));
  t.like(header, { keySource, scrypt: { N: 131072, r: 8, p: 1 } });
  t.is(Buffer.from(header.scrypt.salt, "base64").length, 16);

  const { vault: again } = await openSample(t, dir, { keySource: "auto", passphrase });
  t.is(again.keySource, keySource);
  t.regex(again.locked!, /The passphrase is wrong/);
  for (const _ of ["empty", "nobody there"]) {
    t.false(await again.unlock());
    t.regex(again.locked!, /none was given/);
  }
  t.true(await again.unlock());
  t.deepEqual(again.read("labelf"), { secret: "one" });
  t.deepEqual(questions, [true, false, false, false, false]);
});

test.serial("systemd can hand the passphrase over", async (t) => {
  const dir = join(temporaryFolder(t), "vault");
  const credentials = temporaryFolder(t);
  writeFileSync(join(credentials, "authd-passphrase"), "caf\u00e9 au lait\n");
  const env = { CREDENTIALS_DIRECTORY: credentials };
  const { vault } = await openSample(t, dir, { keySource, env });
  t.is(vault.locked, undefined);
  await vault.close();
  // The same word from a keyboard that composes its accents in another way.
  const passphrase = async () => "cafe\u0301 au lait";
  const again = await openSample(t, dir, { keySource, passphrase });
  t.is(again.vault.locked, undefined);
});

test.serial("a new vault takes no weak passphrase, whoever hands it over", async (t) => {
  const dir = join(temporaryFolder(t), "vault");
  const credentials = temporaryFolder(t);
  writeFileSync(join(credentials, "authd-passphrase"), "x\n");
  const env = { CREDENTIALS_DIRECTORY: credentials };
  const { vault } = await openSample(t, dir, { keySource, env });
  t.regex(vault.locked!, /The passphrase is refused: it needs 8 characters/);
  const open = vault.open("aaaaaaaaaaaa");
  await t.throwsAsync(open, { message: /refused: it repeats the same few characters/ });
  t.false(existsSync(join(dir, "vault.json")));
  await vault.open("battery staple");
  t.is(vault.locked, undefined);
});

test.serial("with nobody to ask, a new vault is locked and not made", async (t) => {
  const dir = temporaryFolder(t);
  const { vault } = await openSample(t, dir, { keySource });
  t.regex(vault.locked!, /none was given.*authd unlock.*LoadCredentialEncrypted/);
  t.is(vault.keySource, keySource);
  t.false(existsSync(join(dir, "vault.json")));
});

test.serial("edited scrypt parameters do not make authd eat the machine's memory", async (t) => {
  const dir = temporaryFolder(t);
  const passphrase = async () => "battery staple";
  await (await openSample(t, dir, { keySource, passphrase })).vault.close();
  const path = join(dir, "vault.json");
  const header = JSON.parse(readFileSync(path, "utf8"));
  for (const edit of [{ N: 2 ** 40 }, { N: 1000 }, { N: "many" }, { r: 1024 }, { p: 0 }]) {
    writeFileSync(path, JSON.stringify({ ...header, scrypt: { ...header.scrypt, ...edit } }));
    const { vault } = await openSample(t, dir, { keySource });
    t.regex(vault.locked!, /scrypt parameters .* are damaged/);
    await vault.close();
  }
});
