import { setImmediate as nextTurn } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import type { Store, StoreEntry } from "../../src/vault/store/store.ts";
import { until } from "./until.ts";

/** Opens the same store once more, as another host does. */
type OpenStore = () => Promise<Store>;

interface Case {
  title: string;
  run: (t: ExecutionContext, open: OpenStore) => Promise<void>;
}

const TTL_MS = 60_000;
const first = { holder: "one", epoch: 0, ttlMs: TTL_MS };
const NO_KEY = { from: undefined, to: undefined };
const payload = (text: string) => Buffer.from(text);
const textOf = (entry: StoreEntry | undefined) => entry?.payload?.toString();

/** Takes the first lease of a record and commits to it. */
async function commitFirst(store: Store, name: string, text = "sealed"): Promise<void> {
  await store.acquire(name, first);
  const commit = { keyId: undefined, epoch: 1, version: 0, payload: payload(text), holder: "one" };
  await store.commit(name, { ...commit, settles: true });
}

/** Everything that a store must hold, whichever engine it is on. */
export const STORE_CONTRACT: readonly Case[] = [
  {
    title: "a record that nobody wrote is not there",
    async run(t, open) {
      const { entry, nowMs } = await (await open()).read("none");
      t.is(entry, undefined);
      t.true(nowMs > 0);
    },
  },
  {
    title: "what one host commits another reads, byte for byte",
    async run(t, open) {
      const [one, other] = [await open(), await open()];
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
      const taken = await one.acquire("a", first);
      t.true(taken.done);
      t.is(taken.entry?.epoch, 1);
      t.is(taken.entry?.lease?.holder, "one");
      const done = await one.commit("a", {
        keyId: undefined,
        epoch: 1,
        version: 0,
        payload: bytes,
        holder: "one",
        settles: true,
      });
      t.true(done.done);
      const { entry, nowMs } = await other.read("a");
      t.true((entry?.committedMs ?? Number.POSITIVE_INFINITY) <= nowMs);
      t.deepEqual(entry?.payload, bytes);
      t.is(entry?.version, 1);
      t.is(entry?.lease, undefined);
      t.is(entry?.committedBy, "one");
    },
  },
  {
    title: "of many that want a lease one gets it",
    async run(t, open) {
      const stores = await Promise.all(Array.from({ length: 8 }, open));
      const outcomes = await Promise.all(
        stores.map((store, at) => store.acquire("a", { ...first, holder: `host-${at}` })),
      );
      const won = outcomes.filter(({ done }) => done);
      t.is(won.length, 1);
      const holders = new Set(outcomes.map(({ entry }) => entry?.lease?.holder));
      t.deepEqual(holders, new Set([won[0]?.entry?.lease?.holder]));
    },
  },
  {
    title:
      "what was lost is put back in its version, over an earlier one only, and ends leases of before",
    async run(t, open) {
      const store = await open();
      const lost = { keyId: "key", epoch: 7, holder: "one", settles: true, hash: undefined };
      const none = { holder: "one", from: undefined, to: "key", hosts: [], records: [] };
      t.true(await store.replaceAll(none));
      const put = await store.restore("a", { ...lost, version: 5, payload: payload("fifth") });
      t.true(put.done);
      t.like(put.entry, { version: 5, lease: undefined, intent: undefined, committedBy: "one" });
      const { epoch } = put.entry!;
      t.true(epoch > 7);
      const { change } = await store.changesSince(-1);
      t.true((await store.acquire("a", { holder: "two", epoch, ttlMs: TTL_MS })).done);
      t.false((await store.restore("a", { ...lost, version: 5, payload: payload("x") })).done);
      const other = { ...lost, keyId: "other", version: 9, payload: payload("x") };
      t.false((await store.restore("a", other)).done);
      t.is((await store.changesSince(change)).entries.length, 0);
      t.true((await store.restore("a", { ...lost, version: 6, payload: payload("sixth") })).done);
      const [entry] = (await store.changesSince(change)).entries;
      t.is(textOf(entry), "sixth");
      t.true(entry!.epoch > epoch + 1);
      t.is(entry!.lease, undefined);
    },
  },
  {
    title: "a lease that runs keeps others out; one that has ended does not",
    async run(t, open) {
      const store = await open();
      await store.acquire("a", first);
      t.false((await store.acquire("a", { holder: "two", epoch: 1, ttlMs: TTL_MS })).done);
      t.true((await store.renew("a", 1, 1)).done);
      const takeOver = () => store.acquire("a", { holder: "two", epoch: 1, ttlMs: TTL_MS });
      await until(async () => (await takeOver()).done);
      t.is((await store.read("a")).entry?.epoch, 2);
    },
  },
  {
    title: "a host that starts again takes the lease that it left",
    async run(t, open) {
      await (await open()).acquire("a", first);
      t.true((await (await open()).acquire("a", { ...first, epoch: 1 })).done);
    },
  },
  {
    title: "an epoch that is not the record's gets no lease",
    async run(t, open) {
      const store = await open();
      t.false((await store.acquire("a", { ...first, epoch: 3 })).done);
      await commitFirst(store, "a");
      t.false((await store.acquire("a", first)).done);
      t.true((await store.acquire("a", { ...first, epoch: 1 })).done);
    },
  },
  {
    title: "a host of an earlier lease can change nothing",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      await store.acquire("a", { ...first, epoch: 1 });
      const late = {
        keyId: undefined,
        epoch: 1,
        version: 1,
        payload: payload("late"),
        holder: "two",
        settles: true,
      };
      t.false((await store.commit("a", late)).done);
      t.false((await store.renew("a", 1, TTL_MS)).done);
      t.false((await store.intend("a", { epoch: 1, hash: "x", ttlMs: TTL_MS })).done);
      t.false((await store.release("a", 1, true)).done);
      t.is(textOf((await store.read("a")).entry), "sealed");
    },
  },
  {
    title: "a commit over another version is refused",
    async run(t, open) {
      const store = await open();
      await store.acquire("a", first);
      const commit = {
        keyId: undefined,
        epoch: 1,
        version: 4,
        payload: payload("x"),
        holder: "one",
        settles: true,
      };
      const { done, entry } = await store.commit("a", commit);
      t.false(done);
      t.is(entry?.version, 0);
    },
  },
  {
    title: "an intent stays open until its outcome is known, whoever takes the lease",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      await store.acquire("a", { ...first, epoch: 1 });
      const opened = await store.intend("a", { epoch: 2, hash: "digest", ttlMs: TTL_MS });
      t.true(opened.done);
      const { intent, lease } = opened.entry ?? {};
      t.like(intent, { holder: "one", epoch: 2, hash: "digest" });
      t.true(intent!.openedMs <= opened.nowMs);
      t.is(intent!.deadlineMs - intent!.openedMs, TTL_MS);
      t.true(lease!.untilMs >= intent!.deadlineMs);
      await store.release("a", 2, false);
      const next = await store.acquire("a", { holder: "two", epoch: 2, ttlMs: TTL_MS });
      t.true(next.done);
      t.is(next.entry?.intent?.holder, "one");
      await store.release("a", 3, true);
      t.is((await store.read("a")).entry?.intent, undefined);
    },
  },
  {
    title: "a commit closes the intent",
    async run(t, open) {
      const store = await open();
      await store.acquire("a", first);
      await store.intend("a", { epoch: 1, hash: "digest", ttlMs: TTL_MS });
      const commit = {
        keyId: undefined,
        epoch: 1,
        version: 0,
        payload: payload("next"),
        holder: "one",
        settles: true,
      };
      t.is((await store.commit("a", commit)).entry?.intent, undefined);
    },
  },
  {
    title:
      "an intent outlasts every commit that does not settle it: a change, a removal, and what is put there after it",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      await store.acquire("a", { ...first, epoch: 1 });
      await store.intend("a", { epoch: 2, hash: "digest", ttlMs: TTL_MS });
      await store.release("a", 2, false);
      const other = { keyId: undefined, holder: "two" };
      const texts = ["changed", undefined, "added"];
      for (const [at, text] of texts.entries()) {
        const epoch = at + 2;
        t.true((await store.acquire("a", { holder: "two", epoch, ttlMs: TTL_MS })).done);
        const sealed = { version: at + 1, payload: text === undefined ? text : payload(text) };
        const commit = { ...other, ...sealed, epoch: epoch + 1 };
        const { done, entry } = await store.commit("a", { ...commit, settles: false });
        t.true(done);
        t.is(textOf(entry), text);
        t.like(entry, { lease: undefined, intent: { holder: "one", epoch: 2, hash: "digest" } });
      }
      await store.acquire("a", { ...first, epoch: 5 });
      const last = { ...other, epoch: 6, version: 4, payload: payload("next"), settles: true };
      t.is((await store.commit("a", last)).entry?.intent, undefined);
    },
  },
  {
    title: "an intent that takes the place of an open one is as old as that",
    async run(t, open) {
      const store = await open();
      await store.acquire("a", first);
      const old = await store.intend("a", { epoch: 1, hash: "digest", ttlMs: 1 });
      await store.release("a", 1, false);
      await until(async () => (await store.read("a")).nowMs > old.nowMs + 5);
      await store.acquire("a", { holder: "two", epoch: 1, ttlMs: TTL_MS });
      const { entry } = await store.intend("a", { epoch: 2, hash: "digest", ttlMs: TTL_MS });
      const { openedMs } = old.entry!.intent!;
      t.like(entry?.intent, { holder: "two", epoch: 2, openedMs });
      await store.release("a", 2, true);
      await store.acquire("a", { ...first, epoch: 2 });
      const next = await store.intend("a", { epoch: 3, hash: "digest", ttlMs: TTL_MS });
      t.true(next.entry!.intent!.openedMs > openedMs);
    },
  },
  {
    title: "what is put back leaves an intent open unless it settles it with another token",
    async run(t, open) {
      const store = await open();
      const none = { holder: "one", from: undefined, to: "key", hosts: [], records: [] };
      t.true(await store.replaceAll(none));
      await store.acquire("a", first);
      await store.intend("a", { epoch: 1, hash: "digest", ttlMs: TTL_MS });
      const put = { keyId: "key", epoch: 1, payload: payload("x"), holder: "two" };
      const intent = { holder: "one", epoch: 1, hash: "digest" };
      const change = { ...put, version: 2, settles: false, hash: "rehashed" };
      t.like((await store.restore("a", change)).entry, { version: 2, lease: undefined, intent });
      const same = { ...put, version: 3, settles: true, hash: "digest" };
      t.like((await store.restore("a", same)).entry, { version: 3, intent });
      const gone = { ...put, version: 4, settles: true, hash: undefined };
      t.is((await store.restore("a", gone)).entry?.intent, undefined);
    },
  },
  {
    title: "records that are replaced by others have no intent of before",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      await store.acquire("a", { ...first, epoch: 1 });
      await store.intend("a", { epoch: 2, hash: "digest", ttlMs: TTL_MS });
      const records = [{ name: "a", version: 1, payload: payload("other") }];
      const ids = { holder: "two", from: undefined, to: "key-2", hosts: [] };
      t.true(await store.replaceAll({ ...ids, records }));
      t.is((await store.read("a")).entry?.intent, undefined);
    },
  },
  {
    title: "no intent without a lease that runs",
    async run(t, open) {
      const store = await open();
      await store.acquire("a", first);
      await store.release("a", 1, true);
      t.false((await store.intend("a", { epoch: 1, hash: "x", ttlMs: TTL_MS })).done);
    },
  },
  {
    title: "a removed record keeps its epoch and version",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      await store.acquire("a", { ...first, epoch: 1 });
      const removal = {
        keyId: undefined,
        epoch: 2,
        version: 1,
        payload: undefined,
        holder: "one",
        settles: false,
      };
      t.true((await store.commit("a", removal)).done);
      const { entry } = await store.read("a");
      t.like(entry, { epoch: 2, version: 2, payload: undefined });
      const { entries } = await store.changesSince(-1);
      t.deepEqual(
        entries.map(({ name }) => name),
        ["a"],
      );
    },
  },
  {
    title: "changes are told once, in whatever order hosts commit",
    async run(t, open) {
      const [one, other] = [await open(), await open()];
      const { change: start } = await one.changesSince(-1);
      const names = Array.from({ length: 20 }, (_, at) => `name-${at}`);
      await Promise.all(names.map((name, at) => commitFirst(at % 2 ? one : other, name)));
      const { change, entries } = await one.changesSince(start);
      t.deepEqual(entries.map(({ name }) => name).sort(), names.sort());
      t.deepEqual((await one.changesSince(change)).entries, []);
      await one.acquire("name-3", { ...first, epoch: 1 });
      t.deepEqual((await one.changesSince(change)).entries, []);
    },
  },
  {
    title: "whoever asks for changes all the time misses none",
    async run(t, open) {
      const [one, other] = [await open(), await open()];
      const names = Array.from({ length: 40 }, (_, at) => `name-${at}`);
      const seen = new Set<string>();
      let isDone = false;
      const asking = (async () => {
        let since = -1;
        for (let more = true; more; ) {
          more = !isDone;
          const { change, entries } = await other.changesSince(since);
          since = change;
          await nextTurn();
          for (const { name } of entries) seen.add(name);
        }
      })();
      await Promise.all(names.map((name) => commitFirst(one, name)));
      isDone = true;
      await asking;
      t.deepEqual([...seen].sort(), names.sort());
    },
  },
  {
    title: "a number ahead of the store's tells everything again",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      t.is((await store.changesSince(1_000_000)).entries.length, 1);
    },
  },
  {
    title: "a commit and the end of a lease are noticed",
    async run(t, open) {
      const [one, other] = [await open(), await open()];
      const noticed: (string | undefined)[] = [];
      // A notice without a name is about any.
      const has = (name: string) => noticed.includes(name) || noticed.includes(undefined);
      const end = other.watch((name) => void noticed.push(name));
      t.teardown(end);
      // Told first where notices begin to arrive only now.
      await until(async () => {
        const { entry } = await one.read("warm-up");
        await one.acquire("warm-up", { ...first, epoch: entry?.epoch ?? 0 });
        await one.release("warm-up", (entry?.epoch ?? 0) + 1, true);
        return has("warm-up");
      });
      await commitFirst(one, "a");
      await until(() => has("a"));
      noticed.length = 0;
      await one.acquire("a", { ...first, epoch: 1 });
      await one.release("a", 2, true);
      await until(() => has("a"));
      t.pass();
    },
  },
  {
    title:
      "during a recovery nobody gets a lease or opens an intent, until it is settled by its name",
    async run(t, open) {
      const [one, other] = [await open(), await open()];
      await one.putHost({ name: "one", publicKey: payload("p"), wrappedKey: payload("w") }, NO_KEY);
      await one.seen("one");
      await one.acquire("a", first);
      t.is((await one.read("a")).setBack, undefined);
      await one.markSetBack("mark-1");
      const { setBack } = await other.changesSince(-1);
      t.is(typeof setBack, "string");
      await other.markSetBack("mark-2");
      t.is((await other.hosts()).setBack, setBack);
      t.like(await other.acquire("b", first), { done: false, setBack });
      t.like(await other.acquire("a", { ...first, epoch: 1 }), { done: false, setBack });
      t.false((await one.intend("a", { epoch: 1, hash: "digest", ttlMs: TTL_MS })).done);
      // Whoever comes meanwhile has nothing to put back.
      await one.putHost({ name: "new", publicKey: payload("p"), wrappedKey: payload("w") }, NO_KEY);
      const told = async () =>
        (await other.hosts()).hosts.map(({ told: id }) => id === setBack).sort();
      t.deepEqual(await told(), [false, true]);
      await one.tell("one", setBack!);
      t.deepEqual(await told(), [true, true]);
      await one.settle("mark-3");
      t.is((await other.read("a")).setBack, setBack);
      await one.settle(setBack!);
      t.true((await one.intend("a", { epoch: 1, hash: "digest", ttlMs: TTL_MS })).done);
      t.true((await other.acquire("b", first)).done);
      await one.markSetBack("mark-4");
      t.not((await other.read("a")).setBack, setBack);
    },
  },
  {
    title: "an intent is put back with its record, also in the version that the store has",
    async run(t, open) {
      const store = await open();
      const none = { holder: "one", from: undefined, to: "key", hosts: [], records: [] };
      t.true(await store.replaceAll(none));
      const place = { keyId: "key", epoch: 7, version: 5, holder: "one", settles: true };
      const lost = { ...place, payload: payload("x"), hash: "digest" };
      const intent = { holder: "one/a", hash: "digest", ttlMs: TTL_MS };
      t.true((await store.restore("a", lost)).done);
      t.false((await store.restore("a", lost)).done);
      const put = await store.restore("a", { ...lost, intent });
      t.true(put.done);
      t.like(put.entry, { version: 5, intent: { holder: "one/a", hash: "digest", openedMs: 0 } });
      t.true(put.entry!.intent!.deadlineMs > put.nowMs);
      t.is(put.entry!.intent!.epoch, put.entry!.epoch);
      t.false((await store.restore("a", { ...lost, intent })).done);
      t.true((await store.restore("b", { ...lost, intent })).done);
      t.is(
        (await store.restore("b", { ...lost, version: 6, hash: "next" })).entry?.intent,
        undefined,
      );
    },
  },
  {
    title: "hosts are added and told; an invitation is good for one, and ends",
    async run(t, open) {
      const store = await open();
      const host = (name: string) => ({ name, publicKey: payload("p"), wrappedKey: payload("w") });
      const same = { from: undefined, to: undefined };
      t.true(await store.putHost(host("two"), same));
      t.true(await store.putHost(host("one"), same));
      t.true(await store.putHost({ ...host("two"), wrappedKey: payload("other") }, same));
      await store.seen("one");
      const { hosts, nowMs } = await store.hosts();
      t.deepEqual(hosts.map(({ name }) => name).sort(), ["one", "two"]);
      const two = hosts.find(({ name }) => name === "two");
      t.is(two?.wrappedKey.toString(), "other");
      t.true(hosts.every(({ seenMs }) => seenMs <= nowMs));
      await store.invite("first", payload("key"), TTL_MS);
      await store.invite("second", payload("key"), 1);
      const taken = await Promise.all([store.takeInvite("first"), store.takeInvite("first")]);
      t.deepEqual(taken.map((key) => key?.toString()).sort(), ["key", undefined]);
      await until(async () => (await store.hosts()).nowMs > nowMs + 5);
      t.is(await store.takeInvite("second"), undefined);
    },
  },
  {
    title:
      "of two hosts that change the keys at once one is too late, and so is a commit with the keys of before",
    async run(t, open) {
      const store = await open();
      const host = (name: string) => ({ name, publicKey: payload("p"), wrappedKey: payload("w") });
      const begin = { holder: "one", from: undefined, to: "key-1", hosts: [host("one")] };
      t.true(await store.replaceAll({ ...begin, records: [] }));
      const put = await Promise.all(
        ["one", "two"].map((name) =>
          store.putHost(host(name), { from: "key-1", to: `by-${name}` }),
        ),
      );
      t.deepEqual(put.sort(), [false, true]);
      const { keyId, hosts } = await store.hosts();
      t.true(keyId === "by-one" || hosts.some(({ name }) => name === "two"));
      await store.acquire("a", first);
      const late = {
        keyId: "key-1",
        epoch: 1,
        version: 0,
        payload: payload("x"),
        holder: "one",
        settles: true,
      };
      t.false((await store.commit("a", late)).done);
      t.true((await store.commit("a", { ...late, keyId })).done);
    },
  },
  {
    title: "records that are sealed anew keep their versions, leases and who committed them",
    async run(t, open) {
      const store = await open();
      await commitFirst(store, "a");
      await store.acquire("a", { ...first, holder: "two", epoch: 1 });
      const hosts = [{ name: "two", publicKey: payload("p"), wrappedKey: payload("w") }];
      const ids = { holder: "three", from: undefined, to: "key-2" };
      const records = [{ name: "a", version: 1, payload: payload("anew") }];
      t.true(await store.replaceAll({ ...ids, hosts, records, keepsVersions: true }));
      const { entry } = await store.read("a");
      t.is(textOf(entry), "anew");
      t.like(entry, { version: 1, epoch: 2, committedBy: "one", lease: { holder: "two" } });
      const commit = {
        epoch: 2,
        version: 1,
        payload: payload("next"),
        holder: "two",
        settles: true,
      };
      t.true((await store.commit("a", { ...commit, keyId: "key-2" })).done);
    },
  },
  {
    title:
      "a host that goes loses its lease, and nothing is replaced while it may spend a refresh token",
    async run(t, open) {
      const store = await open();
      const holder = "two/folders";
      const names = ["a", "b", "c"];
      for (const name of names) await commitFirst(store, name);
      for (const name of ["a", "b"]) await store.acquire(name, { ...first, holder, epoch: 1 });
      const intent = { epoch: 2, hash: "digest", ttlMs: TTL_MS };
      t.true((await store.intend("a", intent)).done);
      const hosts = [{ name: "one", publicKey: payload("p"), wrappedKey: payload("w") }];
      const records = names.map((name) => ({ name, version: 1, payload: payload("anew") }));
      const ids = { holder: "one", from: undefined, to: "key-2" };
      const anew = { ...ids, hosts, records, keepsVersions: true };
      t.false(await store.replaceAll({ ...anew, unlessSpending: true }));
      t.like((await store.read("b")).entry, { epoch: 2, lease: { holder } });
      t.true(await store.replaceAll(anew));
      // The intent stays: nobody knows what came of it.
      t.like((await store.read("a")).entry, { epoch: 3, lease: undefined, intent: { holder } });
      t.false((await store.intend("b", intent)).done);
      t.false((await store.acquire("c", { ...first, holder, epoch: 1 })).done);
    },
  },
  {
    title: "an intent that has ended, and one of a host that stays, hinder no replacement",
    async run(t, open) {
      const store = await open();
      const names = ["a", "b"];
      for (const name of names) await commitFirst(store, name);
      await store.acquire("a", { holder: "one/folders", epoch: 1, ttlMs: TTL_MS });
      await store.intend("a", { epoch: 2, hash: "digest", ttlMs: TTL_MS });
      await store.acquire("b", { holder: "two/folders", epoch: 1, ttlMs: TTL_MS });
      const ended = await store.intend("b", { epoch: 2, hash: "digest", ttlMs: 1 });
      await until(async () => (await store.read("b")).nowMs > ended.nowMs + 5);
      const hosts = [{ name: "one", publicKey: payload("p"), wrappedKey: payload("w") }];
      const records = names.map((name) => ({ name, version: 1, payload: payload("anew") }));
      const how = { keepsVersions: true, unlessSpending: true };
      const ids = { holder: "one", from: undefined, to: "key-2" };
      t.true(await store.replaceAll({ ...ids, ...how, hosts, records }));
      t.like((await store.read("a")).entry, { epoch: 2, lease: { holder: "one/folders" } });
      t.like((await store.read("b")).entry, { epoch: 3, lease: undefined });
    },
  },
  {
    title: "everything is replaced at once, or nothing",
    async run(t, open) {
      const store = await open();
      const hosts = [{ name: "one", publicKey: payload("p"), wrappedKey: payload("w") }];
      const record = (name: string, version: number) => ({ name, version, payload: payload(name) });
      const begin = { holder: "one", from: undefined, to: "key-1", hosts };
      t.true(await store.replaceAll({ ...begin, records: [record("a", 0), record("b", 0)] }));
      t.false(await store.replaceAll({ ...begin, records: [] }));
      const next = { ...begin, from: "key-1", to: "key-2", hosts: [] };
      for (const records of [
        [record("a", 1)],
        [record("a", 1), record("b", 0)],
        [record("a", 1), record("b", 1), record("c", 3)],
      ]) {
        t.false(await store.replaceAll({ ...next, records }));
        t.is((await store.hosts()).hosts.length, 1);
        t.is((await store.read("a")).entry?.version, 1);
      }
      const { change } = await store.changesSince(-1);
      t.true(await store.replaceAll({ ...next, records: [record("a", 1), record("b", 1)] }));
      t.is((await store.changesSince(change)).entries.length, 2);
      t.is((await store.hosts()).hosts.length, 0);
      // Sealed with a key that is no longer the store's.
      await store.acquire("a", first);
      const late = {
        keyId: "key-1",
        epoch: 1,
        version: 2,
        payload: payload("x"),
        holder: "one",
        settles: true,
      };
      t.false((await store.commit("a", late)).done);
      t.true((await store.commit("a", { ...late, keyId: "key-2" })).done);
    },
  },
];
