import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { temporaryFolder } from "../../helpers/folder.ts";
import { openSample } from "../../helpers/vault.ts";

function places(t: ExecutionContext) {
  const folder = temporaryFolder(t);
  const credentials = join(folder, "credentials");
  mkdirSync(credentials);
  const file = join(credentials, "authd-vault-key");
  const options = {
    keySource: "systemd-credential",
    env: { CREDENTIALS_DIRECTORY: credentials },
  } as const;
  return { dir: join(folder, "vault"), file, options };
}

test("the key that systemd hands over opens the vault, in any of its spellings", async (t) => {
  const { dir, file, options } = places(t);
  const key = randomBytes(32);
  writeFileSync(file, key);
  const { vault } = await openSample(t, dir, options);
  t.is(vault.keySource, "systemd-credential");
  await vault.write("labelf", { secret: "one" }, { durable: true });
  await vault.close();
  t.false(existsSync(join(dir, "key")));

  for (const text of [`${key.toString("base64")}\n`, key.toString("hex").toUpperCase()]) {
    writeFileSync(file, text);
    const again = await openSample(t, dir, options);
    t.deepEqual(again.vault.read("labelf"), { secret: "one" });
    await again.vault.close();
  }
});

test("without the credential the vault is locked, new or old, and says how to give it", async (t) => {
  const { dir, file, options } = places(t);
  const { vault } = await openSample(t, dir, { ...options, env: {} });
  t.regex(vault.locked!, /systemd credential authd-vault-key.*LoadCredentialEncrypted/);
  t.false(existsSync(join(dir, "vault.json")));
  await vault.close();

  const { vault: soon } = await openSample(t, dir, options);
  t.regex(soon.locked!, /authd-vault-key/);
  writeFileSync(file, "too short");
  t.false(await soon.unlock());
  t.regex(soon.locked!, /must be 32 bytes/);
  writeFileSync(file, randomBytes(32));
  t.true(await soon.unlock());
  await soon.close();

  writeFileSync(file, randomBytes(32));
  const { vault: wrong } = await openSample(t, dir, { ...options, keySource: "auto" });
  t.is(wrong.keySource, "systemd-credential");
  t.regex(wrong.locked!, /is not the one/);
});
