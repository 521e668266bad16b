/** How a host follows what other hosts commit, where it is disturbed. */

import type { ExecutionContext } from "ava";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import { startHost } from "../helpers/sharing-host.ts";

const SETTINGS = { grant: "static", origins: ["https://api.example.com"] };

/**
 * Two hosts with one static credential, of which the first has just replaced the secret; `meddle` may change how each
 * store behaves that the second one opens.
 */
async function startChanged(t: ExecutionContext, meddle: (store: FileStore) => void) {
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const openStore = async (folder: string) => {
    const store = new FileStore(folder);
    meddle(store);
    return store;
  };
  const two = await startHost(t, dir, "two", { openStore });
  const secrets = { token: "before" };
  const first = await one.add("a", SETTINGS, secrets);
  const second = await two.add("a", SETTINGS, secrets);
  await first.update(first.settings, { secrets: { token: "after" } });
  await one.records.halt();
  return { two, second };
}

test("what a question brought is taken over though the host can't tell that it runs", async (t) => {
  const { two, second } = await startChanged(t, (store) => {
    store.seen = async () => {
      throw new Error("terminating connection");
    };
  });
  await two.sync.start();
  t.is(second.record.secrets.token, "after");
  t.is(two.records.recovery.isOpen, false);
});

test("what could not be read after a notice is taken over with the next question", async (t) => {
  let isCut = false;
  const { two, second } = await startChanged(t, (store) => {
    const read = store.read.bind(store);
    store.read = async (name) => {
      if (isCut) throw new Error("terminating connection");
      return await read(name);
    };
  });
  // Asked at its start, the store had nothing for it.
  isCut = true;
  await two.records.pull("a");
  t.is(second.record.secrets.token, "before");
  isCut = false;
  await two.records.connection.ask((store) => store.read("a"));
  await Promise.all(two.records.takeBehind().map((name) => two.records.pull(name)));
  t.is(second.record.secrets.token, "after");
});

test("a connection that was closed is watched again once it is opened", async (t) => {
  const watched: FileStore[] = [];
  let ended = 0;
  const { two } = await startChanged(t, (store) => {
    store.watch = () => {
      watched.push(store);
      return () => void ended++;
    };
  });
  await two.sync.start();
  await two.sync.poll();
  t.is(watched.length, 1);
  await two.records.connection.close();
  await two.sync.poll();
  t.is(new Set(watched).size, 2);
  t.is(ended, 1);
  await two.sync.stop();
  t.is(ended, 2);
});
