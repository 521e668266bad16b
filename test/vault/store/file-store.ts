import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AuthdError } from "../../../src/errors.ts";
import { FileStore } from "../../../src/vault/store/file-store.ts";
import { openStore } from "../../../src/vault/store/index.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { onUnix as test } from "../../helpers/optional.ts";
import { STORE_CONTRACT } from "../../helpers/store-contract.ts";

for (const { title, run } of STORE_CONTRACT) {
  test(title, async (t) => {
    const dir = temporaryFolder(t);
    await run(t, async () => new FileStore(dir));
  });
}

test("a folder that can't be used is told of", async (t) => {
  const dir = temporaryFolder(t);
  writeFileSync(join(dir, "file"), "");
  const error = t.throws(() => new FileStore(join(dir, "file")), { instanceOf: AuthdError });
  t.is(error?.reason, "invalid_params");
  const elsewhere = await t.throwsAsync(openStore({ url: "file://host/folder" }));
  t.is((elsewhere as AuthdError).reason, "invalid_params");
  // A volume that is not mounted is no empty store.
  const unmounted = t.throws(() => new FileStore(join(dir, "volume", "store")));
  t.is((unmounted as AuthdError).reason, "invalid_params");
  t.true(unmounted?.message.includes(`there is no folder ${join(dir, "volume")}.`));
  t.deepEqual(readdirSync(dir), ["file"]);
  const store = new FileStore(join(dir, "store"));
  mkdirSync(join(dir, "store", "store.json"));
  await t.throwsAsync(store.read("a"), { instanceOf: AuthdError, message: /can't be used/ });
});
