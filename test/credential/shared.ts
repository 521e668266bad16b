/** Hosts that share records in a store: one of them refreshes, and all have what it was given. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { type Issuer, startIssuer } from "../helpers/issuer.ts";
import { onUnix as test } from "../helpers/optional.ts";
import {
  answerOf,
  leaveIntent,
  rotating,
  type SharingHost,
  secrets,
  settled,
  startHost,
  startRotating,
} from "../helpers/sharing-host.ts";
import { until } from "../helpers/until.ts";

const REUSE = { reuse_grace: 600 };

test("a cached token is answered at once, without a promise, as without a store", async (t) => {
  const issuer = await startRotating(t);
  const one = await startHost(t, temporaryFolder(t), "one");
  const credential = await one.add("a", rotating(issuer), secrets);
  const issued = await credential.token({});
  t.is(credential.token({}), issued);
});

test("one host's token is used by another, which sends nothing", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const first = await one.add("a", rotating(issuer), secrets);
  const second = await two.add("a", rotating(issuer), secrets);
  t.is((await first.token({})).accessToken, "token-1");
  await one.records.halt();
  t.is((await second.token({})).accessToken, "token-1");
  t.is(issuer.requests.length, 1);
  t.is(second.record.secrets.refresh_token, "refresh-1");
});

test("hosts whose clocks are minutes apart agree on a token's age", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const ahead = new FakeClock();
  ahead.stepWall(20 * 60_000);
  const [one, two] = [
    await startHost(t, dir, "one"),
    await startHost(t, dir, "two", { clock: ahead }),
  ];
  const first = await one.add("a", rotating(issuer), secrets);
  const second = await two.add("a", rotating(issuer), secrets);
  const left = async (credential: typeof first, { clock }: SharingHost) =>
    ((await credential.token({})).answer.expiresAt ?? 0) - clock.wall();
  const atFirst = await left(first, one);
  await one.records.halt();
  const atSecond = await left(second, two);
  t.is(issuer.requests.length, 1);
  t.true(atSecond <= atFirst && atSecond > atFirst - 120_000, `${atFirst} ${atSecond}`);
});

test("a token is refreshed by the host that has obtained it, and by another one later", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  one.clock.chance = 0.5;
  two.clock.chance = 0.9;
  const first = await one.add("a", rotating(issuer), secrets);
  const second = await two.add("a", rotating(issuer), secrets);
  await first.token({});
  await one.records.halt();
  await second.token({});
  const jitters = [first, second].map(({ record }) => record.tokens[0]!.jitter);
  t.deepEqual(jitters, [0.5, 0.45]);
});

/** A sign-in that is described as data, whose secret rotates. */
const exchanged = ({ url }: Issuer, more: object = {}) => ({
  grant: "exchange",
  request: { method: "POST", url, form: { refresh_token: "{secret.refresh_token}" } },
  response: { token: "/access_token", expires_in: "/expires_in" },
  secrets: ["refresh_token"],
  rotates: { refresh_token: "/refresh_token" },
  ...more,
});

for (const [grant, settings] of Object.entries({ refresh_token: rotating, exchange: exchanged })) {
  test(`${grant}: a token that another host may have spent is not sent; with reuse_grace it is`, async (t) => {
    for (const [more, sent] of [
      [{}, 0],
      [REUSE, 1],
    ] as const) {
      const issuer = await startRotating(t);
      const dir = temporaryFolder(t);
      const one = await startHost(t, dir, "one");
      const credential = await one.add("a", settings(issuer, more), secrets);
      const store = await leaveIntent(dir, "gone");
      await until(async () => {
        const { entry, nowMs } = await store.read("a");
        return nowMs > entry!.intent!.deadlineMs;
      });
      if (sent === 0) {
        const error = await t.throwsAsync(async () => await credential.token({}));
        t.is((error as unknown as { reason: string }).reason, "login_required");
        t.regex(error.message, /the host gone/);
      } else await credential.token({});
      t.is(issuer.requests.length, sent);
      // A person may have it tried once.
      if (sent === 0) await credential.refresh(60_000);
      t.is(issuer.requests.length, 1);
    }
  });
}

test("an intent that was told and not sealed is closed by the next start: nothing was sent", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const credential = await one.add("a", rotating(issuer), secrets);
  await credential.token({});
  await until(async () => (await new FileStore(join(dir, "store")).read("a")).entry?.version === 1);
  const store = await leaveIntent(dir, "one/folder");
  await one.sync.start();
  await until(async () => (await store.read("a")).entry?.intent === undefined);
  t.is(issuer.requests.length, 1);
});

test("an intent is no other host's of the same name, nor that of a record that was lost since", async (t) => {
  for (const holder of ["one/folder", "one/other", "one"]) {
    const issuer = await startRotating(t);
    const dir = temporaryFolder(t);
    const one = await startHost(t, dir, "one");
    const credential = await one.add("a", rotating(issuer), secrets);
    await credential.token({});
    await one.records.halt();
    const store = await leaveIntent(dir, holder);
    await until(async () => {
      const { entry, nowMs } = await store.read("a");
      return nowMs > entry!.intent!.deadlineMs;
    });
    // The folder of the first is the same, but what it had in it came from the store after the intent.
    const anew = await startHost(t, dir, "one");
    const again = await anew.add("a", rotating(issuer), {});
    await anew.sync.start();
    await until(() => again.record.secrets.refresh_token === "refresh-1");
    for (let polls = 0; polls < 3; polls++) await anew.sync.poll();
    t.is((await store.read("a")).entry?.intent?.holder, holder);
    const wanted = { rejectedToken: "token-1" };
    const error = await t.throwsAsync(async () => await again.token(wanted));
    t.is((error as unknown as { reason: string }).reason, "login_required", holder);
    t.is(issuer.requests.length, 1);
  }
});

test("an intent that was sealed is not sent again by the next start either", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  await leaveIntent(dir, "one/folder");
  const rotation = { intent: {}, worked: false };
  const credential = await one.add("a", rotating(issuer), secrets, { rotation });
  const error = await t.throwsAsync(async () => await credential.token({}));
  t.is((error as unknown as { reason: string }).reason, "login_required");
  t.is(issuer.requests.length, 0);
});

test("a host that stopped for longer than its lease: its commit is refused, and it takes the other's", async (t) => {
  let answer = () => {};
  let count = 0;
  const issuer = await startIssuer(t, (_, response) => {
    const json = { access_token: `token-${++count}`, token_type: "Bearer", expires_in: 3_600 };
    if (count > 1) return { json };
    answer = () => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json));
    };
    return undefined;
  });
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  const first = await one.add("a", file, { client_secret: "x" });
  const second = await two.add("a", file, { client_secret: "x" });
  const stopped = first.token({});
  await until(() => issuer.requests.length === 1);
  const store = new FileStore(join(dir, "store"));
  await store.renew("a", 1, 1);
  await until(async () => (await store.read("a")).entry!.lease!.untilMs < Date.now());
  t.is((await second.token({})).accessToken, "token-2");
  await until(async () => (await store.read("a")).entry?.version === 1);
  answer();
  await stopped;
  await until(async () => (await first.token({})).accessToken === "token-2");
  t.is((await store.read("a")).entry?.version, 1);
});

test("a lease that has ended is not renewed any more, though a renewal was on its way", async (t) => {
  let answer = () => {};
  const issuer = await startIssuer(t, (_, response) => {
    const json = { access_token: "token", token_type: "Bearer", expires_in: 3_600 };
    answer = () => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json));
    };
    return undefined;
  });
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const store = await one.records.connection.use((opened) => opened.store);
  const renew = store.renew.bind(store);
  let renewals = 0;
  let goOn = () => {};
  let isRenewed = false;
  store.renew = async (...args) => {
    renewals++;
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return await renew(...args).finally(() => {
      isRenewed = true;
    });
  };
  const file = { grant: "client_credentials", token_url: issuer.url, client_id: "app" };
  const credential = await one.add("a", file, { client_secret: "x" });
  // The caller does not wait as long as that.
  const asked = t.throwsAsync(async () => await credential.token({}));
  await until(() => issuer.requests.length === 1);
  one.clock.advance(5_000);
  await until(() => renewals === 1);
  await asked;
  answer();
  await until(async () => (await store.read("a")).entry?.version === 1);
  await one.records.halt();
  goOn();
  await until(() => isRenewed);
  // What follows from it has followed by the time of another answer.
  await store.read("a");
  one.clock.advance(5_000);
  await store.read("a");
  t.is(renewals, 1);
});

test("a person's change is refused while the store can't be reached, and made when it can", async (t) => {
  const issuer = await startRotating(t);
  const one = await startHost(t, temporaryFolder(t), "one");
  const credential = await one.add("a", rotating(issuer), secrets);
  await credential.token({});
  await one.records.halt();
  one.records.resume();
  await one.cutOff(true);
  const entered = { secrets: { refresh_token: "refresh-7" } };
  const change = () => credential.update(credential.settings, entered);
  const error = await t.throwsAsync(change);
  t.is((error as unknown as { reason: string }).reason, "too_busy");
  t.is(credential.record.secrets.refresh_token, "refresh-1");
  await one.cutOff(false);
  await change();
  t.is((await credential.token({})).accessToken, "token-8");
});

test("a host that comes back after the store was put back takes what a person has entered since", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const first = await one.add("a", rotating(issuer), secrets);
  const second = await two.add("a", rotating(issuer), secrets);
  await first.token({});
  await settled(one);
  await second.token({});
  const file = join(dir, "store", "store.json");
  const earlier = readFileSync(file);
  for (let version = 2; version <= 3; version++) {
    await first.refresh(60_000);
    await settled(one);
  }
  t.is(first.record.shared?.version, 3);
  writeFileSync(file, earlier);
  await second.update(second.settings, { secrets: { refresh_token: "refresh-70" } });
  await settled(two);
  const store = new FileStore(join(dir, "store"));
  one.records.recovery.begin();
  await one.records.recover();
  t.is(first.record.secrets.refresh_token, "refresh-70");
  t.is((await store.read("a")).entry?.committedBy, "two");
  t.is((await first.token({})).accessToken, "token-71");
});

test("a host puts back what the store has lost, and refreshes again", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const first = await one.add("a", rotating(issuer), secrets);
  await first.token({});
  await one.records.halt();
  one.records.resume();
  const file = join(dir, "store", "store.json");
  const earlier = readFileSync(file);
  await first.refresh(60_000);
  await one.records.halt();
  one.records.resume();
  writeFileSync(file, earlier);
  const store = new FileStore(join(dir, "store"));
  one.records.recovery.begin();
  t.is(
    await first.refresh(60_000).then(
      () => "refreshed",
      ({ reason }) => reason,
    ),
    "issuer_unavailable",
  );
  await one.records.recover();
  t.is((await store.read("a")).entry?.version, 2);
  await first.refresh(60_000);
  t.deepEqual(
    issuer.requests.map(({ form }) => form.get("refresh_token")),
    ["refresh-0", "refresh-1", "refresh-2"],
  );
});

test("an intent that the store has lost is put back, and a key in the place of a host is not waited for", async (t) => {
  const issuer = await startIssuer(t, ({ form }, { socket }) => {
    if (form.get("refresh_token") === "refresh-0") return { json: answerOf(1) };
    // It is spent, and nobody knows.
    return void socket?.resetAndDestroy();
  });
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const first = await one.add("a", rotating(issuer), secrets);
  await first.token({});
  await settled(one);
  const store = new FileStore(join(dir, "store"));
  const { keyId } = await store.hosts();
  for (const name of ["one", "two", "key:nodes"]) {
    const host = { name, publicKey: Buffer.alloc(32), wrappedKey: Buffer.alloc(1) };
    await store.putHost(host, { from: keyId, to: keyId });
  }
  const file = join(dir, "store", "store.json");
  const earlier = readFileSync(file);
  await t.throwsAsync(first.refresh(60_000));
  await settled(one);
  t.not(first.record.rotation?.intent, undefined);
  t.not((await store.read("a")).entry?.intent, undefined);
  writeFileSync(file, earlier);
  one.records.recovery.begin();
  await one.records.recover();
  t.true(one.records.recovery.isOpen, "the other one has not told");
  await two.sync.start();
  await one.records.recover();
  t.false(one.records.recovery.isOpen);
  const { entry } = await store.read("a");
  t.like(entry, { version: 1, intent: { openedMs: 0, epoch: entry!.epoch } });
  t.is(first.record.shared?.pending, true);
});

test("a folder that was put back while no host ran is noticed: a host that has not seen the lost commits spends nothing", async (t) => {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const [one, two] = [await startHost(t, dir, "one"), await startHost(t, dir, "two")];
  const first = await one.add("a", rotating(issuer), secrets);
  const second = await two.add("a", rotating(issuer), secrets);
  await first.token({});
  await settled(one);
  await second.token({});
  const file = join(dir, "store", "store.json");
  const earlier = readFileSync(file);
  await first.refresh(60_000);
  await settled(one);
  writeFileSync(file, earlier);
  await one.sync.start();
  await two.sync.start();
  for (const host of [one, two]) {
    await until(async () => {
      await host.sync.poll();
      return !host.records.recovery.isOpen;
    });
  }
  await second.refresh(60_000);
  t.deepEqual(
    issuer.requests.map(({ form }) => form.get("refresh_token")),
    ["refresh-0", "refresh-1", "refresh-2"],
  );
});

test("a store whose last commit has an earlier number than before the start was put back", async (t) => {
  const one = await startHost(t, temporaryFolder(t), "one");
  t.false(one.records.recovery.isOpen);
  one.known = { timeline: undefined, change: 99 };
  await one.records.connection.ask(async (store) => {
    const answer = await store.changesSince(-1);
    one.records.recovery.sawChange(answer.change);
    return answer;
  });
  t.true(one.records.recovery.isOpen);
  t.is(one.known.change, 99);
  await one.records.recover();
  t.false(one.records.recovery.isOpen);
  t.true(one.known.change < 99);
});

test("what the store did not get is committed when it can be reached", async (t) => {
  const dir = temporaryFolder(t);
  const one = await startHost(t, dir, "one");
  const issuer = await startIssuer(t, () => {
    // The connection breaks before the answer comes.
    void one.cutOff(true);
    const tokens = { access_token: "token-1", refresh_token: "refresh-1", expires_in: 3_600 };
    return { json: { ...tokens, token_type: "Bearer" } };
  });
  const credential = await one.add("a", rotating(issuer), secrets);
  t.is((await credential.token({})).accessToken, "token-1");
  await until(() => one.records.pending.has("a"));
  await one.cutOff(false);
  await one.sync.start();
  await until(async () => (await new FileStore(join(dir, "store")).read("a")).entry?.version === 1);
  t.deepEqual([...one.records.pending], []);
});
