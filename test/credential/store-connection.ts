/** What is closed while others use it. */

import { randomBytes } from "node:crypto";
import type { ExecutionContext } from "ava";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { StoreConnection } from "../../src/credential/shared/store-connection.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { fleetKeyOf } from "../../src/vault/store/fleet-key.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";

/** A connection to a store in a folder; `keys` are all that it has opened, `closed` counts the stores that it closed. */
function startConnection(t: ExecutionContext) {
  const dir = temporaryFolder(t);
  const secret = randomBytes(32);
  const keys: Buffer[] = [];
  const closed: FileStore[] = [];
  const open = async () => {
    const store = new FileStore(dir);
    const close = store.close.bind(store);
    store.close = async () => {
      if (closed.includes(store)) throw new Error("Called end on pool more than once");
      closed.push(store);
      await close();
    };
    const key = fleetKeyOf(Buffer.from(secret));
    keys.push(key.key);
    const own = new Map([["default", key]]);
    return { store, keys: { keyId: key.id, own, groups: [] }, addGroup: async () => false };
  };

  const connection = new StoreConnection(open, new Timekeeper(new FakeClock()));
  const isWiped = (key: Buffer | undefined) => key?.every((byte) => byte === 0);
  /** Asks, and tells whether the key was wiped before the answer came, and after it. */
  const ask = async () => {
    const seen: (boolean | undefined)[] = [];
    await connection.ask(async (store, { own }) => {
      seen.push(isWiped(own.get("default")?.key));
      const answer = await store.read("a");
      seen.push(isWiped(own.get("default")?.key));
      return answer;
    });
    return seen;
  };
  return { connection, ask, keys, closed, isWiped };
}

test("closes at once close each store once", async (t) => {
  const { connection, ask, keys, closed, isWiped } = startConnection(t);
  await ask();
  await Promise.all([connection.close(), connection.close(), connection.close()]);
  t.is(closed.length, 1);
  t.true(keys.every(isWiped));
});

for (const ticks of [-1, 0, 1, 2, 3, 4, 5]) {
  test(`a question ${ticks} ticks after a close has its keys until it is answered`, async (t) => {
    const { connection, ask, keys, closed, isWiped } = startConnection(t);
    await ask();
    const before = ticks < 0 ? ask() : undefined;
    const closing = connection.close();
    for (let tick = 0; tick < ticks; tick++) await null;
    const after = before ?? ask();
    await closing;
    t.deepEqual(await after, [false, false]);
    await connection.close();
    t.true(keys.every(isWiped));
    t.is(closed.length, keys.length);
  });
}

test("a store that is being opened as it is closed is closed, and its keys are wiped", async (t) => {
  const { connection, ask, keys, closed, isWiped } = startConnection(t);
  const first = ask();
  connection.reopen();
  const second = ask();
  await connection.close();
  t.deepEqual(await Promise.all([first, second]), [
    [false, false],
    [false, false],
  ]);
  t.is(keys.length, 2);
  t.true(keys.every(isWiped));
  t.is(closed.length, 2);
});

test("who works with the keys has them until the end, also if others close meanwhile", async (t) => {
  const { connection, isWiped } = startConnection(t);
  let key: Buffer | undefined;
  let closing: Promise<void> | undefined;
  await connection.use(async ({ store, keys }) => {
    key = keys.own.get("default")?.key;
    closing = connection.close();
    await store.read("a");
    t.false(isWiped(key));
  });
  await closing;
  t.true(isWiped(key));
});
