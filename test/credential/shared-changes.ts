/** What a person changes on one host while that host, or another one, does something with the credential. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { SharedRecords } from "../../src/credential/shared/shared-records.ts";
import { SharedSync } from "../../src/credential/shared/shared-sync.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { fleetKeyOf, openPayload, sealPayload } from "../../src/vault/store/fleet-key.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { type Issuer, startIssuer } from "../helpers/issuer.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";
import { FleetLife } from "../properties/fleet-life.ts";

const OWN = randomBytes(32);
/** Of a group that no host of these tests was let into. */
const FOREIGN = randomBytes(32);
const newKey = (bytes: Buffer) => fleetKeyOf(Buffer.from(bytes));

/** A host that shares what is in `dir`. */
async function startHost(t: ExecutionContext, dir: string, name: string) {
  const engine = await startTestRegistry(t, { clock: new FakeClock() });
  const { clock, time, log, registry } = engine;
  const begin = { holder: name, from: undefined, to: newKey(OWN).id, hosts: [], records: [] };
  await new FileStore(join(dir, "store")).replaceAll(begin);
  const removed: string[] = [];
  /** What every commit waits for. */
  const gate = { open: Promise.resolve(), waiting: 0, reads: 0 };
  const open = async () => {
    const store = new FileStore(join(dir, "store"));
    const commit = store.commit.bind(store);
    store.commit = async (...values) => {
      gate.waiting++;
      await gate.open;
      return await commit(...values);
    };
    const read = store.read.bind(store);
    store.read = (asked) => {
      gate.reads++;
      return read(asked);
    };
    const [key, foreign] = [newKey(OWN), newKey(FOREIGN)];
    const groups = [
      { group: "default", id: key.id },
      { group: "billing", id: foreign.id },
    ];
    const own = new Map([["default", key]]);
    return { store, keys: { keyId: key.id, own, groups }, addGroup: async () => false };
  };
  const timeline = { known: () => undefined, note: () => {} };
  const options = { host: name, instance: "folder", open, clock, time, log, timeline };
  const records = new SharedRecords(options);
  records.connect({
    find: (known) => registry.findShared(known),
    names: () => registry.all().map((each) => each.name),
    fileOf: () => undefined,
    add: async () => {},
    remove: async (gone) => void removed.push(gone),
    isLocked: false,
  });
  registry.share(records);
  const sync = new SharedSync(records, clock, log);
  t.teardown(() => sync.stop());
  const settled = async () => {
    await records.halt();
    records.resume();
  };
  return { ...engine, records, sync, removed, gate, settled };
}

const rotating = ({ url }: Issuer) => ({
  ...{ grant: "refresh_token", token_url: url, client_id: "app" },
});

/** Answers each refresh token with the next; `hold`: what an answer waits for. */
const startRotating = (t: ExecutionContext, hold = async () => {}) =>
  startIssuer(t, ({ form }, response) => {
    const next = Number(form.get("refresh_token")?.replace("refresh-", "")) + 1;
    const tokens = { access_token: `token-${next}`, refresh_token: `refresh-${next}` };
    const text = JSON.stringify({ ...tokens, token_type: "Bearer", expires_in: 3_600 });
    void hold().then(() =>
      response.writeHead(200, { "content-type": "application/json" }).end(text),
    );
    return undefined;
  });

const storeIn = (dir: string) => new FileStore(join(dir, "store"));

async function refreshTokenIn(dir: string): Promise<string> {
  const { entry } = await storeIn(dir).read("a");
  const { record } = openPayload(newKey(OWN), "a", entry!.payload!) as {
    record: { secrets: { refresh_token: string } };
  };
  return record.secrets.refresh_token;
}

function gateOf() {
  let go = () => {};
  const open = new Promise<void>((resolve) => {
    go = resolve;
  });
  return { open, go };
}

const secrets = { refresh_token: "refresh-0" };
const entered = { secrets: { refresh_token: "refresh-70" } };

/** Two hosts that have refreshed a credential once. */
async function setup(t: ExecutionContext, hold?: () => Promise<void>) {
  const issuer = await startRotating(t, hold);
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const first = await one.add("a", rotating(issuer), secrets);
  const second = await two.add("a", rotating(issuer), secrets);
  await first.token({});
  await one.settled();
  await second.token({});
  await two.settled();
  return { issuer, dir, one, two, first, second };
}

test("what a person enters while an outcome is on its way into the store goes there after it", async (t) => {
  const { dir, one, first, second, two } = await setup(t);
  const { open, go } = gateOf();
  const { waiting } = one.gate;
  one.gate.open = open;
  await first.refresh(60_000);
  await until(() => one.gate.waiting > waiting);
  const changed = first.update(first.settings, entered);
  go();
  await changed;
  await one.settled();
  t.is(first.record.secrets.refresh_token, "refresh-70");
  t.is(await refreshTokenIn(dir), "refresh-70");
  t.deepEqual([...one.records.pending], []);
  await second.refresh(60_000);
  await two.settled();
  t.is(second.record.secrets.refresh_token, "refresh-71");
});

test("what a person enters while a refresh waits for another host is not replaced by that one's", async (t) => {
  const { dir, one, two, first, second } = await setup(t);
  const { open, go } = gateOf();
  two.gate.open = open;
  await second.refresh(60_000);
  const asked = one.gate.reads;
  const waits = first.refresh(60_000);
  await until(() => one.gate.reads > asked);
  const changed = first.update(first.settings, entered);
  go();
  await two.settled();
  one.records.wake("a");
  await Promise.all([waits, changed]);
  await one.settled();
  // The refresh may go on with it.
  const kept = await refreshTokenIn(dir);
  t.true(kept === "refresh-70" || kept === "refresh-71", kept);
  t.is(first.record.secrets.refresh_token, kept);
});

test("what a person enters while the request runs is in force at once, and outlasts a lease that was lost", async (t) => {
  const { open, go } = gateOf();
  const hold = { of: Promise.resolve() };
  const { issuer, dir, one, first } = await setup(t, () => hold.of);
  hold.of = open;
  const before = issuer.requests.length;
  const refreshed = first.refresh(60_000).catch(() => {});
  await until(() => issuer.requests.length > before);
  await first.update(first.settings, entered);
  t.is(first.record.secrets.refresh_token, "refresh-70");
  // This host stood still, and another one has refreshed in its place.
  const store = storeIn(dir);
  const { entry } = await store.read("a");
  const { epoch, version, payload } = entry!;
  await store.release("a", epoch, true);
  await store.acquire("a", { holder: "two/folder", epoch, ttlMs: 60_000 });
  const { keyId } = await store.hosts();
  const commit = { keyId, epoch: epoch + 1, version, payload: payload!, holder: "two" };
  t.true((await store.commit("a", { ...commit, settles: true })).done);
  hold.of = Promise.resolve();
  go();
  await refreshed;
  await one.settled();
  t.is(first.record.secrets.refresh_token, "refresh-70");
  await until(async () => {
    await one.records.reconcile("a");
    return one.records.pending.size === 0;
  });
  const kept = await refreshTokenIn(dir);
  t.true(kept === "refresh-70" || kept === "refresh-71", kept);
});

test("a credential that another host has moved to a group of its own goes from here, also with something to commit", async (t) => {
  const { dir, one } = await setup(t);
  one.records.commits.later("a");
  const store = storeIn(dir);
  const { entry } = await store.read("a");
  const { epoch, version, payload } = entry!;
  await store.acquire("a", { holder: "two/folder", epoch, ttlMs: 60_000 });
  const { keyId } = await store.hosts();
  const content = openPayload(newKey(OWN), "a", payload!) as object;
  const moved = sealPayload(newKey(FOREIGN), "a", { ...content, generation: version + 1 });
  const commit = { keyId, epoch: epoch + 1, version, payload: moved, holder: "two" };
  t.true((await store.commit("a", { ...commit, settles: false })).done);
  await one.sync.start();
  await one.settled();
  t.true(one.removed.includes("a"));
  t.deepEqual([...one.records.pending], []);
  for (let polls = 0; polls < 3; polls++) await one.sync.poll();
  const after = (await store.read("a")).entry!;
  t.is(after.epoch, epoch + 1);
  t.is(after.lease, undefined);
});

test("a removal in the store takes away what came from it, and not what this host has for itself", async (t) => {
  const { issuer, dir, one, two, second } = await setup(t);
  const store = storeIn(dir);
  const remove = async () => {
    const { entry } = await store.read("a");
    const { epoch, version } = entry!;
    await store.acquire("a", { holder: "else/folder", epoch, ttlMs: 60_000 });
    const { keyId } = await store.hosts();
    const removal = { keyId, epoch: epoch + 1, version, payload: undefined, holder: "else" };
    t.true((await store.commit("a", { ...removal, settles: false })).done);
  };
  await remove();
  await one.sync.start();
  t.deepEqual(one.removed, ["a"]);
  // Another host has a credential of that name, which the store never had.
  const three = await startHost(t, dir, "three");
  const own = await three.add("a", rotating(issuer), { refresh_token: "refresh-30" });
  await three.sync.start();
  await remove();
  await three.sync.poll();
  t.deepEqual(three.removed, []);
  t.is((await own.token({})).accessToken, "token-31");
  await three.settled();
  // It goes into the store as a new one, and from there to the others.
  t.is(await refreshTokenIn(dir), "refresh-31");
  t.deepEqual([...three.records.pending], []);
  await two.sync.start();
  await two.settled();
  t.is(second.record.secrets.refresh_token, "refresh-31");
});

test("what a person changes while the request runs goes to the other hosts, also after a kill", async (t) => {
  const life = new FleetLife(0);
  t.teardown(() => life.end());
  await life.start();
  await life.take({ kind: "refresh", at: 2, mode: "holds" });
  await life.take({ kind: "change", at: 2 });
  await life.take({ kind: "kill", at: 2 });
  await t.notThrowsAsync(life.agree());
});
