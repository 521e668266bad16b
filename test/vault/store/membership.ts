/** Who has the keys of a store: hosts of before there were groups, hosts of some groups, and rows that nobody let in. */

import { randomBytes } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../../src/errors.ts";
import { FileStore } from "../../../src/vault/store/file-store.ts";
import { fleetKeyOf, hostKeys, wrapForHost } from "../../../src/vault/store/fleet-key.ts";
import {
  addGroup,
  fleetKeys,
  inviteHost,
  joinFleet,
  memberWith,
  newKeyId,
} from "../../../src/vault/store/membership.ts";
import { isProven, readWrapped } from "../../../src/vault/store/wrapped-keys.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { onUnix } from "../../helpers/optional.ts";

/** A vault of which only the derived keys count here. */
function vaultOf(secret = randomBytes(32)) {
  const derive = () => ({ key: Buffer.from(secret), keyId: "of-a-test" });
  return { derive, locked: undefined, publicKey: hostKeys(Buffer.from(secret)).publicKey };
}

/** A store with one host, as an authd has made it that knew no groups. */
async function startOld(t: ExecutionContext) {
  const store = new FileStore(temporaryFolder(t));
  const [vault, key] = [vaultOf(), fleetKeyOf(randomBytes(32))];
  const wrappedKey = wrapForHost(vault.publicKey, key.key);
  const hosts = [{ name: "one", publicKey: vault.publicKey, wrappedKey }];
  await store.replaceAll({ holder: "one", from: undefined, to: key.id, hosts, records: [] });
  return { store, vault, key };
}

onUnix("a store from before there were groups has the default group alone", async (t) => {
  const { store, vault, key } = await startOld(t);
  const keys = await fleetKeys(store, "one", vault);
  t.deepEqual([...keys.own], [["default", key]]);
  t.is(keys.keyId, key.id);
  // From then on its row has a proof, and the id of the keys is what it was.
  const { hosts, keyId } = await store.hosts();
  t.is(keyId, key.id);
  const [host] = hosts;
  t.true(readWrapped(host!).every((wrapped) => isProven(host!, wrapped, key)));
  t.deepEqual([...(await fleetKeys(store, "one", vault)).own], [["default", key]]);
});

onUnix("a host is let into the groups of its invitations, and into no others", async (t) => {
  const { store, vault } = await startOld(t);
  const first = await fleetKeys(store, "one", vault);
  t.true(await addGroup(store, { host: "one", vault }, first, "web"));
  // The keys are others by then.
  t.false(await addGroup(store, { host: "one", vault }, first, "web"));
  const { own } = await fleetKeys(store, "one", vault);
  t.deepEqual([...own.keys()], ["default", "web"]);
  const two = { host: "two", vault: vaultOf(), isMember: false };
  const web = new Map([["web", own.get("web")!]]);
  t.deepEqual(await joinFleet(store, two, await inviteHost(store, web)), ["web"]);
  const keys = await fleetKeys(store, "two", two.vault);
  t.deepEqual([...keys.own.keys()], ["web"]);
  t.deepEqual(new Set(keys.groups.map(({ group }) => group)), new Set(["web", "default"]));
  await t.throwsAsync(joinFleet(store, two, await inviteHost(store, own)), {
    instanceOf: AuthdError,
    message: /has a host two already/,
  });
  const again = { ...two, isMember: true };
  t.deepEqual(await joinFleet(store, again, await inviteHost(store, own)), ["web", "default"]);
});

onUnix("an invitation whose keys are no longer those of the store lets nobody in", async (t) => {
  const { store, vault } = await startOld(t);
  const { own, keyId } = await fleetKeys(store, "one", vault);
  const next = new Map([["default", fleetKeyOf(randomBytes(32))]]);
  const to = newKeyId();
  await store.putHost(memberWith("one", vault, next), { from: keyId, to });
  const joined = joinFleet(
    store,
    { host: "two", vault: vaultOf(), isMember: false },
    await inviteHost(store, own),
  );
  await t.throwsAsync(joined, { instanceOf: AuthdError, message: /has ended/ });
});

onUnix("an invitation that was taken as the store failed is said to be spent", async (t) => {
  const { store, vault } = await startOld(t);
  const { own } = await fleetKeys(store, "one", vault);
  const two = { host: "two", vault: vaultOf(), isMember: false };
  const invitation = await inviteHost(store, own);
  store.putHost = async () => {
    throw new AuthdError("internal", "The store can't be used: no answer.");
  };
  await t.throwsAsync(joinFleet(store, two, invitation), {
    instanceOf: AuthdError,
    message: /no answer\. The invitation is spent/,
  });
  await t.throwsAsync(joinFleet(store, two, invitation), { message: /was used, or has ended/ });
});

test("nobody without the key of a group can say that a host is of it", (t) => {
  const [vault, other] = [vaultOf(), vaultOf()];
  const key = fleetKeyOf(randomBytes(32));
  const host = memberWith("one", vault, new Map([["web", key]]));
  const [wrapped] = readWrapped(host);
  t.true(isProven(host, wrapped!, key));
  t.false(isProven(host, wrapped!, fleetKeyOf(randomBytes(32))));
  t.false(isProven({ ...host, name: "two" }, wrapped!, key));
  t.false(isProven({ ...host, publicKey: other.publicKey }, wrapped!, key));
  t.false(isProven(host, { ...wrapped!, group: "billing" }, key));
  const { proof: _, ...unproven } = wrapped!;
  t.false(isProven(host, unproven, key));
});
