/** What a person removes goes from the store first: a host that could not tell the others keeps what it has. */

import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { removeShared } from "../../src/credential/shared/shared-changes.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { rotating, secrets, settled, startHost, startRotating } from "../helpers/sharing-host.ts";

/** A host whose credential is in the store, and the commits of that store as the host makes them. */
async function setup(t: ExecutionContext) {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const credential = await one.add("a", rotating(issuer), secrets);
  await credential.token({});
  await settled(one);
  const store = await one.records.connection.use((opened) => opened.store);
  const removed: string[] = [];
  const remove = () => removeShared(one.records, "a", async () => void removed.push("a"));
  const entry = async () => (await new FileStore(join(dir, "store")).read("a")).entry!;
  return { one, store, removed, remove, entry, commit: store.commit.bind(store) };
}

test("a removal that the store does not get removes nothing here, and is told", async (t) => {
  const { store, removed, remove, entry } = await setup(t);
  store.commit = async () => {
    throw new Error("gone");
  };
  const error = await t.throwsAsync(remove);
  t.is((error as unknown as { reason: string }).reason, "too_busy");
  t.regex(error.message, /still on this host.*gone/);
  t.deepEqual(removed, []);
  const { payload, lease } = await entry();
  t.not(payload, undefined);
  t.is(lease, undefined);
});

test("a removal whose answer is lost is made here as well", async (t) => {
  const { store, removed, remove, entry, commit } = await setup(t);
  store.commit = async (...values) => {
    await commit(...values);
    throw new Error("timeout");
  };
  await remove();
  t.deepEqual(removed, ["a"]);
  t.is((await entry()).payload, undefined);
});

test("a removal under keys of before is made with those of now", async (t) => {
  const { one, store, removed, remove, entry, commit } = await setup(t);
  store.commit = (name, values) => commit(name, { ...values, keyId: "of before" });
  one.records.commits.later("a");
  await remove();
  t.deepEqual(removed, ["a"]);
  t.is((await entry()).payload, undefined);
  t.deepEqual([...one.records.pending], []);
});

test("a removal under keys that are others again is refused, and removes nothing", async (t) => {
  const { store, removed, remove, entry } = await setup(t);
  const { keyId } = await store.hosts();
  const two = { name: "two", publicKey: Buffer.alloc(32), wrappedKey: Buffer.alloc(1) };
  t.true(await store.putHost(two, { from: keyId, to: "another" }));
  const error = await t.throwsAsync(remove);
  t.is((error as unknown as { reason: string }).reason, "too_busy");
  t.deepEqual(removed, []);
  t.not((await entry()).payload, undefined);
});
