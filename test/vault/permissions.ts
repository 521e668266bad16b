import { chmodSync, chownSync, readdirSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { AuthdError } from "../../src/errors.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { openSample } from "../helpers/vault.ts";

/** Root may write anywhere: the rest of the test runs as nobody. Only for serial tests. */
function folderOfOrdinaryUser(t: ExecutionContext): string {
  const folder = temporaryFolder(t);
  if (process.geteuid?.() !== 0) return folder;
  chownSync(folder, 65534, 65534);
  process.seteuid!(65534);
  t.teardown(() => process.seteuid!(0));
  return folder;
}

test.serial("a folder that became read-only: reading works, writing says why not", async (t) => {
  const dir = join(folderOfOrdinaryUser(t), "vault");
  const { vault } = await openSample(t, dir);
  await vault.write("labelf", { secret: "old" }, { durable: true });
  const before = readdirSync(dir);
  chmodSync(dir, 0o500);
  t.teardown(() => chmodSync(dir, 0o700));

  const error = await t.throwsAsync<AuthdError>(
    vault.write("labelf", { secret: "new" }, { durable: true }),
    {
      name: "AuthdError",
      message: /^"labelf" could not be saved to .*permission denied.*untouched$/,
    },
  );
  t.is(error?.reason, "internal");
  t.is(error?.credential, "labelf");
  await t.throwsAsync(vault.remove("labelf"), { message: /permission denied/ });
  t.deepEqual(vault.read("labelf"), { secret: "old" });
  t.deepEqual(readdirSync(dir), before);
  await vault.close();
  const again = await openSample(t, dir);
  t.deepEqual(again.vault.read("labelf"), { secret: "old" });
});

test.serial("a place where no folder can be made is named", async (t) => {
  const folder = folderOfOrdinaryUser(t);
  chmodSync(folder, 0o500);
  t.teardown(() => chmodSync(folder, 0o700));
  await t.throwsAsync(openSample(t, join(folder, "vault")), {
    name: "AuthdError",
    message: /The vault's folder .* can't be made, .*permission denied/,
  });
});

test.serial("a sealed file that may not be read is damaged, and is not written over", async (t) => {
  const dir = join(folderOfOrdinaryUser(t), "vault");
  const { vault } = await openSample(t, dir);
  await vault.write("labelf", { secret: "old" }, { durable: true });
  chmodSync(join(dir, "labelf.sealed"), 0);
  t.throws(() => vault.read("labelf"), { message: /can't be read: EACCES/ });
  await t.throwsAsync(vault.write("labelf", { secret: "new" }, { durable: true }), {
    message: /can't be read: EACCES/,
  });
  chmodSync(join(dir, "labelf.sealed"), 0o600);
  t.deepEqual(vault.read("labelf"), { secret: "old" });
});
