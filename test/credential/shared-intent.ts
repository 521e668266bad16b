/** An open intent: whatever is changed meanwhile, nobody sends the refresh token again that it is about. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { Credential } from "../../src/credential/credential.ts";
import { putShared, removeShared } from "../../src/credential/shared/shared-changes.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import {
  answerOf,
  leaveIntent,
  refreshTokenIn,
  rotating,
  type SharingHost,
  settled,
  startHost,
  startPair,
} from "../helpers/sharing-host.ts";
import { until } from "../helpers/until.ts";

const storeIn = (dir: string) => new FileStore(join(dir, "store"));
const intentIn = async (dir: string) => (await storeIn(dir).read("a")).entry?.intent;

/** Resolves when the time is over for which others wait for whoever has opened the intent. */
async function deadlineOf(dir: string): Promise<void> {
  await until(async () => {
    const { entry, nowMs } = await storeIn(dir).read("a");
    return nowMs > entry!.intent!.deadlineMs;
  });
}

/** `more` is what the credential's file says beside. */
async function setup(t: ExecutionContext, more: object = {}) {
  const dir = temporaryFolder(t);
  return { dir, ...(await startPair(t, dir, more)) };
}

async function assertNotSent(t: ExecutionContext, credential: Credential): Promise<void> {
  const wanted = { rejectedToken: credential.record.tokens[0]?.accessToken ?? "none" };
  const error = await t.throwsAsync(async () => await credential.token(wanted));
  t.is((error as unknown as { reason: string }).reason, "login_required", error.message);
}

type Change = (credential: Credential, host: SharingHost) => Promise<unknown>;
/** What is no other refresh token. */
const CHANGES: Readonly<Record<string, Change>> = {
  settings: (credential) => credential.update(credential.settings, { secrets: {} }),
  "another secret": (credential) =>
    credential.update(credential.settings, { secrets: { client_secret: "other" } }),
  trust: (credential) => credential.trust(),
  "the end of a refusal": (credential) => credential.refuse(undefined),
  "the same record, imported": ({ record }, { records, vault }) =>
    putShared(records, "a", structuredClone(record), (content) =>
      vault.write("a", content, { durable: true }),
    ),
  "a disk that fails": async (credential, { vault }) => {
    vault.broken = new Error("full");
    const update = credential.update(credential.settings, { secrets: {} });
    await update.catch(() => {});
    vault.broken = undefined;
  },
};

for (const [what, change] of Object.entries(CHANGES)) {
  for (const token of ["refresh-1", undefined]) {
    const when = token === undefined ? ", under keys of before" : "";
    test(`an open intent${when} outlasts a change on another host: ${what}`, async (t) => {
      const { issuer, dir, one, two, first, second } = await setup(t);
      await leaveIntent(dir, "gone/folder", token);
      await deadlineOf(dir);
      await change(second, two);
      await settled(two);
      t.is((await intentIn(dir))?.holder, "gone/folder");
      await assertNotSent(t, second);
      await one.sync.start();
      await settled(one);
      await assertNotSent(t, first);
      t.is(issuer.requests.length, 1);
      t.deepEqual([...two.records.pending], []);
    });
  }
}

test("another refresh token that a person enters closes an open intent, and so does its removal", async (t) => {
  const { issuer, dir, two, second } = await setup(t);
  await leaveIntent(dir, "gone/folder", "refresh-1");
  await deadlineOf(dir);
  await second.update(second.settings, { secrets: { refresh_token: "refresh-70" } });
  await settled(two);
  t.is(await intentIn(dir), undefined);
  t.is((await second.token({})).accessToken, "token-71");
  await settled(two);
  await leaveIntent(dir, "gone/folder", "refresh-71");
  await deadlineOf(dir);
  await second.update(second.settings, { secrets: {}, dropped: ["refresh_token"] });
  await settled(two);
  t.is(await intentIn(dir), undefined);
  t.is(issuer.requests.length, 2);
});

test("a credential that is removed and added again with the same refresh token keeps the intent; with another one it ends", async (t) => {
  const { issuer, dir, two, second } = await setup(t);
  const { record } = second;
  await leaveIntent(dir, "gone/folder", "refresh-1");
  await deadlineOf(dir);
  const put = (refresh_token: string) =>
    putShared(two.records, "a", { ...record, secrets: { refresh_token } }, async () => {});
  for (const [token, isOpen] of [
    ["refresh-1", true],
    ["refresh-70", false],
  ] as const) {
    await removeShared(two.records, "a", async () => {});
    t.is((await storeIn(dir).read("a")).entry?.payload, undefined);
    t.is((await intentIn(dir))?.holder, "gone/folder");
    await put(token);
    t.is(await refreshTokenIn(dir), token);
    t.is((await intentIn(dir)) !== undefined, isOpen);
  }
  t.is(issuer.requests.length, 1);
});

test("what came of a request is not lost as another host changes the settings before it is in the store", async (t) => {
  const { issuer, dir, one, two, first, second } = await setup(t);
  issuer.answer(({ form }) => {
    const isFirst = form.get("refresh_token") === "refresh-1";
    // The connection breaks before the answer comes.
    if (isFirst) void one.cutOff(true);
    return { json: answerOf(isFirst ? 2 : 3) };
  });
  t.is((await first.token({ rejectedToken: "token-1" })).accessToken, "token-2");
  await until(() => one.records.pending.has("a"));
  await settled(one);
  const { epoch } = (await storeIn(dir).read("a")).entry!;
  // Its lease has ended.
  await storeIn(dir).release("a", epoch, false);
  await second.update(second.settings, { secrets: { client_secret: "other" } });
  await settled(two);
  t.is((await intentIn(dir))?.holder, "one/folder");
  await one.cutOff(false);
  await one.sync.start();
  await until(async () => (await intentIn(dir)) === undefined);
  t.is(await refreshTokenIn(dir), "refresh-2");
  t.deepEqual(first.record.secrets, { refresh_token: "refresh-2", client_secret: "other" });
  t.is((await first.token({})).accessToken, "token-2");
  await two.sync.start();
  await until(() => second.record.secrets.refresh_token === "refresh-2");
  await second.refresh(60_000);
  t.deepEqual(
    issuer.requests.map(({ form }) => form.get("refresh_token")),
    ["refresh-0", "refresh-1", "refresh-2"],
  );
});

test("a change of the settings that outlasts its lease puts no refresh token back that was spent meanwhile", async (t) => {
  const { issuer, dir, one, two, first, second } = await setup(t);
  const store = await one.records.connection.use((opened) => opened.store);
  const commit = store.commit.bind(store);
  let goOn = () => {};
  let waits = 0;
  store.commit = async (...values) => {
    waits++;
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    store.commit = commit;
    return await commit(...values);
  };
  await first.update(first.settings, { secrets: { client_secret: "other" } });
  await until(() => waits === 1);
  const { epoch } = (await storeIn(dir).read("a")).entry!;
  await storeIn(dir).release("a", epoch, false);
  await second.refresh(60_000);
  await settled(two);
  t.is(await refreshTokenIn(dir), "refresh-2");
  goOn();
  await settled(one);
  await one.sync.start();
  await until(() => one.records.pending.size === 0);
  t.is(await refreshTokenIn(dir), "refresh-2");
  t.deepEqual(first.record.secrets, { refresh_token: "refresh-2", client_secret: "other" });
  await first.refresh(60_000);
  await settled(one);
  t.deepEqual(
    issuer.requests.map(({ form }) => form.get("refresh_token")),
    ["refresh-0", "refresh-1", "refresh-2"],
  );
});

test("what was not committed is in the store before its refresh token is spent", async (t) => {
  const { issuer, dir, one, first } = await setup(t);
  let known: string | undefined;
  issuer.answer(({ form }, response) => {
    if (form.get("refresh_token") === "refresh-1") {
      void one.cutOff(true);
      return { json: answerOf(2) };
    }
    void refreshTokenIn(dir).then((token) => {
      known = token;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(answerOf(3)));
    });
    return undefined;
  });
  await first.token({ rejectedToken: "token-1" });
  await until(() => one.records.pending.has("a"));
  await settled(one);
  await one.cutOff(false);
  await first.refresh(60_000);
  t.is(known, "refresh-2");
});

test("a vault that is locked before the outcome is in the store: the intent stays, and the next start closes it", async (t) => {
  const { issuer, dir, one, two, first, second } = await setup(t);
  let answer = () => {};
  issuer.answer((_, response) => {
    answer = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(answerOf(2)));
    };
    return undefined;
  });
  const asked = first.token({ rejectedToken: "token-1" });
  const gone = Promise.resolve(asked).catch(() => {});
  await until(() => issuer.requests.length === 2);
  await one.sealed.lock("locked by the test", () => one.registry.spending);
  first.load();
  answer();
  await gone;
  await settled(one);
  t.is(first.state(), "locked");
  t.is((await intentIn(dir))?.holder, "one/folder");
  t.is(await refreshTokenIn(dir), "refresh-1");
  await one.sealed.unlock();
  first.load();
  await one.sync.start();
  await until(async () => (await intentIn(dir)) === undefined);
  t.is(await refreshTokenIn(dir), "refresh-2");
  await two.sync.start();
  await until(() => second.record.secrets.refresh_token === "refresh-2");
});

test("nothing is sent while the disk can't note the intent, also where the token has expired", async (t) => {
  const { issuer, one, dir, first } = await setup(t);
  one.vault.broken = new Error("full");
  const error = await t.throwsAsync(async () => await first.token({ rejectedToken: "token-1" }));
  t.regex(error.message, /is not spent while the disk/);
  await settled(one);
  t.is(issuer.requests.length, 1);
  t.is(await intentIn(dir), undefined);
});

test("a second try within the grace that brings nothing closes no intent, and makes it no younger", async (t) => {
  const { issuer, dir, one, first } = await setup(t, { reuse_grace: 600 });
  await leaveIntent(dir, "gone/folder", "refresh-1");
  await deadlineOf(dir);
  const { openedMs } = (await intentIn(dir))!;
  issuer.answer({ status: 503 });
  await t.throwsAsync(async () => await first.token({ rejectedToken: "token-1" }));
  await settled(one);
  t.like(await intentIn(dir), { holder: "one/folder", openedMs });
});

for (const how of ["whose answer is lost", "that is not sealed"]) {
  test(`an intent in another host's place, ${how}, is not taken for one that was never sent`, async (t) => {
    const { issuer, dir, two, second } = await setup(t);
    await leaveIntent(dir, "gone/folder", "refresh-1");
    await deadlineOf(dir);
    const store = await two.records.connection.use((opened) => opened.store);
    const intend = store.intend.bind(store);
    store.intend = async (...values) => {
      const answer = await intend(...values);
      if (how === "whose answer is lost") throw new Error("timeout");
      // Killed: nothing of what follows is sealed, and nothing sent.
      two.vault.broken = new Error("killed");
      return answer;
    };
    await t.throwsAsync(second.refresh(60_000));
    await settled(two);
    two.vault.broken = undefined;
    t.is((await intentIn(dir))?.holder, "two/folder");
    const { tokens, rotation, shared } = two.vault.read("a")!;
    const anew = await startHost(t, dir, "two");
    const sealed = { tokens, ...(rotation && { rotation }), ...(shared && { shared }) };
    await anew.add("a", rotating(issuer), { refresh_token: "refresh-1" }, sealed);
    await anew.sync.start();
    for (let polls = 0; polls < 3; polls++) await anew.sync.poll();
    await settled(anew);
    t.is((await intentIn(dir))?.holder, "two/folder");
    t.is(issuer.requests.length, 1);
  });
}

test("a store whose clock was set back tells no age of an intent: there is no grace", async (t) => {
  const { issuer, dir, first } = await setup(t, { reuse_grace: 600 });
  await leaveIntent(dir, "gone/folder", "refresh-1");
  await deadlineOf(dir);
  const { openedMs } = (await intentIn(dir))!;
  const file = join(dir, "store", "store.json");
  const later = `"openedMs":${openedMs + 3_600_000}`;
  writeFileSync(file, readFileSync(file, "utf8").replace(`"openedMs":${openedMs}`, later));
  await assertNotSent(t, first);
  t.is(issuer.requests.length, 1);
});

test("an intent of this host outlasts that the store is put back while another host changes the settings", async (t) => {
  const { issuer, dir, one, two, first, second } = await setup(t);
  const file = join(dir, "store", "store.json");
  const earlier = readFileSync(file);
  issuer.answer((_, { socket }) => void socket?.resetAndDestroy());
  await t.throwsAsync(first.refresh(60_000));
  await settled(one);
  t.is((await intentIn(dir))?.holder, "one/folder");
  writeFileSync(file, earlier);
  await second.update(second.settings, { secrets: { client_secret: "other" } });
  await settled(two);
  one.records.recovery.begin();
  await one.records.recover();
  t.is((await intentIn(dir))?.holder, "one/folder");
  t.is(first.record.secrets.client_secret, "other");
  t.is(issuer.requests.length, 2);
});
