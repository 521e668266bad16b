import { join } from "node:path";
import { sealAnew } from "../../../src/daemon/fleet/seal-anew.ts";
import { FileStore } from "../../../src/vault/store/file-store.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { onUnix as test } from "../../helpers/optional.ts";
import { startHost } from "../../helpers/sharing-host.ts";

test("a removal whose keys are others each time it looks says so, and of no refresh alone", async (t) => {
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const store = new FileStore(join(dir, "store"));
  const { keyId } = await store.hosts();
  const two = { name: "two", publicKey: Buffer.alloc(32), wrappedKey: Buffer.alloc(1) };
  t.true(await store.putHost(two, { from: keyId, to: "of another host" }));
  const error = await t.throwsAsync(sealAnew(one.records, "two", true));
  t.is((error as unknown as { reason: string }).reason, "too_busy");
  t.regex(error.message, /Other hosts have .*changed the keys, meanwhile\. Nothing was changed/);
});
