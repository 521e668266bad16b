/** Two hosts change the same credential, and the change of one of them did not reach the store. */

import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { onUnix as test } from "../helpers/optional.ts";
import {
  answerOf,
  refreshTokenIn,
  rotating,
  type SharingHost,
  settled,
  startPair,
} from "../helpers/sharing-host.ts";
import { until } from "../helpers/until.ts";

async function setup(t: ExecutionContext) {
  const elsewhere = await startIssuer(t, () => ({ json: answerOf(99) }));
  const dir = temporaryFolder(t);
  return { elsewhere, dir, ...(await startPair(t, dir)) };
}

/** Runs a change whose commit the store does not get, or `isCarriedOut`: whose answer is lost; then its lease ends. */
async function withoutAnswer(
  dir: string,
  host: SharingHost,
  isCarriedOut: boolean,
  change: () => Promise<unknown>,
): Promise<void> {
  const store = await host.records.connection.use((opened) => opened.store);
  const commit = store.commit.bind(store);
  store.commit = async (...values) => {
    if (isCarriedOut) await commit(...values);
    throw new Error("out of reach");
  };
  await change();
  await settled(host);
  store.commit = commit;
  const other = new FileStore(join(dir, "store"));
  await other.release("a", (await other.read("a")).entry!.epoch, false);
}

const toldOf = ({ events }: SharingHost) =>
  events.flatMap(({ kind, message }) => (kind === "set" ? [message] : []));

test("secrets that another host has entered go nowhere that a change points to which the store never got, and it is told", async (t) => {
  const { issuer, elsewhere, dir, one, two, first, second } = await setup(t);
  const change = () =>
    first.update(one.settings("a", rotating(elsewhere)), {
      secrets: { refresh_token: "refresh-of-one" },
    });
  await withoutAnswer(dir, one, false, change);
  await second.update(second.settings, { secrets: { refresh_token: "refresh-50" } });
  await settled(two);
  await one.sync.start();
  await settled(one);
  t.is(first.record.secrets.refresh_token, "refresh-50");
  t.is(first.state(), "changed");
  const wanted = { rejectedToken: first.record.tokens[0]?.accessToken ?? "none" };
  const error = await t.throwsAsync(async () => await first.token(wanted));
  t.is((error as unknown as { reason: string }).reason, "credential_changed");
  t.deepEqual(elsewhere.requests, []);
  t.regex(toldOf(one).join(), /gave way to what two changed/);
  t.deepEqual(toldOf(two), []);
  t.is((await second.token({})).accessToken, "token-51");
  t.is(issuer.requests.length, 2);
});

test("a change whose commit was not answered, and is in the store, is not lost: nothing is told", async (t) => {
  const { elsewhere, dir, one, two, first, second } = await setup(t);
  const entered = { secrets: { refresh_token: "refresh-30" } };
  await withoutAnswer(dir, one, true, () => first.update(first.settings, entered));
  t.is(await refreshTokenIn(dir), "refresh-30");
  // Another host has refreshed it on top.
  await two.sync.start();
  await settled(two);
  await second.refresh(60_000);
  await settled(two);
  await one.sync.start();
  await settled(one);
  t.is(first.record.secrets.refresh_token, "refresh-31");
  t.deepEqual(toldOf(one), []);
  t.is((await first.token({})).accessToken, "token-31");
  t.deepEqual(elsewhere.requests, []);
});

test("an answer to a request is taken along, and a refresh token that a person entered for another place is not", async (t) => {
  const { issuer, elsewhere, dir, one, two, first, second } = await setup(t);
  let answer = () => {};
  issuer.answer((_, response) => {
    answer = () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(answerOf(2)));
    };
    return undefined;
  });
  const lost = async () => {
    const asked = Promise.resolve(first.token({ rejectedToken: "token-1" })).catch(() => {});
    await until(() => issuer.requests.length === 2);
    const settings = one.settings("a", rotating(elsewhere));
    await first.update(settings, { secrets: { refresh_token: "refresh-of-one" } });
    answer();
    await asked;
  };
  await withoutAnswer(dir, one, false, lost);
  await second.update(second.settings, { secrets: { client_secret: "of-two" } });
  await settled(two);
  await one.sync.start();
  await settled(one);
  await one.sync.poll();
  await settled(one);
  t.is(await refreshTokenIn(dir), "refresh-1");
  t.deepEqual(first.record.secrets, { refresh_token: "refresh-1", client_secret: "of-two" });
});
