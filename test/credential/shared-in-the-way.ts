/** A person changes a credential while another host has its lease, and may have ended. */

import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { removeShared } from "../../src/credential/shared/shared-changes.ts";
import { FileStore } from "../../src/vault/store/file-store.ts";
import { FakeClock } from "../helpers/fake-clock.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { onUnix as test } from "../helpers/optional.ts";
import {
  leaveIntent,
  refreshTokenIn,
  rotating,
  secrets,
  settled,
  startHost,
  startRotating,
} from "../helpers/sharing-host.ts";
import { until } from "../helpers/until.ts";

const entered = { secrets: { refresh_token: "refresh-70" } };

/** A host behind another one that was killed during its request. */
async function setup(t: ExecutionContext) {
  const issuer = await startRotating(t);
  const dir = temporaryFolder(t);
  const clock = new FakeClock();
  const one = await startHost(t, dir, "one", { clock });
  const first = await one.add("a", rotating(issuer), secrets);
  await first.token({});
  await settled(one);
  const store = new FileStore(join(dir, "store"));
  const before = (await store.read("a")).entry!;
  await leaveIntent(dir, "gone/folder", "refresh-1");
  const { epoch } = (await store.read("a")).entry!;
  await store.acquire("a", { holder: "gone/folder", epoch, ttlMs: 1_000 });
  const held = { epoch: epoch + 1, hash: (await store.read("a")).entry!.intent!.hash };
  await store.intend("a", { ...held, ttlMs: 300_000 });
  /** Moves the clock until the work has ended. */
  const ended = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    over.catch(() => {});
    await until(() => {
      clock.advance(500);
      return isOver;
    });
    return await over;
  };
  return { issuer, dir, one, first, store, before, held, ended };
}

type Refused = Error & { reason?: string; data?: { retryAfterMs?: number } };

test("a change that brings no other refresh token is refused after a while, with the host and the time", async (t) => {
  const { dir, one, first, ended } = await setup(t);
  const work = {
    settings: () => first.update(first.settings, { secrets: { client_secret: "other" } }),
    removal: () => removeShared(one.records, "a", async () => t.fail("it is removed")),
    "a wait outside of the turns": () => first.whenFree(),
  };
  for (const [what, change] of Object.entries(work)) {
    const error = (await t.throwsAsync(ended(change()), undefined, what)) as Refused;
    t.is(error.reason, "too_busy", what);
    t.regex(error.message, /nothing was changed, as gone is .* in \d+ s/, what);
  }
  t.is(await refreshTokenIn(dir), "refresh-1");
  t.deepEqual(first.record.secrets, { refresh_token: "refresh-1" });
});

test("another refresh token takes the lease of a host that was killed, whose commit is refused then", async (t) => {
  const { issuer, dir, one, first, store, before, held, ended } = await setup(t);
  await ended(first.update(first.settings, entered));
  await settled(one);
  t.is(await refreshTokenIn(dir), "refresh-70");
  const { entry } = await store.read("a");
  t.is(entry?.intent, undefined);
  t.is(entry?.lease, undefined);
  const { keyId } = await store.hosts();
  const { version, payload } = before;
  for (const at of [version, entry!.version]) {
    const late = { keyId, epoch: held.epoch, version: at, payload, holder: "gone" };
    t.false((await store.commit("a", { ...late, settles: true })).done);
  }
  t.false((await store.intend("a", { ...held, ttlMs: 300_000 })).done);
  t.is((await first.token({ rejectedToken: "token-1" })).accessToken, "token-71");
  t.is(issuer.requests.length, 2);
});

test("the lease of a host that sends no refresh token is not taken", async (t) => {
  const { dir, first, store, held, ended } = await setup(t);
  await store.release("a", held.epoch, true);
  const { epoch } = held;
  await store.acquire("a", { holder: "busy/folder", epoch, ttlMs: 300_000 });
  const error = (await t.throwsAsync(ended(first.update(first.settings, entered)))) as Refused;
  t.is(error.reason, "too_busy");
  t.regex(error.message, /busy is refreshing it/);
  t.is(await refreshTokenIn(dir), "refresh-1");
});

test("a change does not wait for a refresh that waits for another host", async (t) => {
  const { issuer, dir, one, first, ended } = await setup(t);
  const waits = first.refresh(600_000).then(
    () => "refreshed",
    (error: Refused) => error.reason,
  );
  await until(() => one.records.heldLeases === 0 && one.clock.pending > 0);
  await ended(first.update(first.settings, entered));
  await ended(waits);
  await settled(one);
  const kept = await refreshTokenIn(dir);
  t.true(kept === "refresh-70" || kept === "refresh-71", kept);
  t.deepEqual(
    issuer.requests
      .map(({ form }) => form.get("refresh_token"))
      .filter((sent) => sent === "refresh-1"),
    [],
  );
});

test("a refresh that waits for another host sends nothing once its credential is removed", async (t) => {
  const { issuer, one, first, store, held, ended } = await setup(t);
  const waits = first.refresh(600_000).then(
    () => "refreshed",
    (error: Refused) => error.reason,
  );
  await until(() => one.clock.pending > 0);
  const removal = removeShared(one.records, "a", async () => {
    await one.vault.remove("a");
    first.detach();
    one.registry.delete("a");
  });
  await store.release("a", held.epoch, false);
  await ended(removal);
  t.is((await store.read("a")).entry?.payload, undefined);
  t.not(await ended(waits), "refreshed");
  await settled(one);
  t.is(issuer.requests.length, 1);
});
