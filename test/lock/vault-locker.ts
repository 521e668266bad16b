import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { LOCK_REASONS } from "../../src/lock/lock-errors.ts";
import { onHeap } from "../helpers/heap.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { PASSPHRASE, startLockable } from "../helpers/lockable.ts";
import { until } from "../helpers/until.ts";

const MINUTE = 60_000;
const me = { uid: process.geteuid?.() ?? 0, pid: process.pid, connectedAt: 0 };

const client = (url: string) => ({ grant: "client_credentials", token_url: url, client_id: "me" });
const rotating = (url: string) => ({ grant: "refresh_token", token_url: url, client_id: "me" });

function reasonOf(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    return error instanceof AuthdError ? error.reason : "other";
  }
}

const LOCKED = { instanceOf: AuthdError, message: /authd unlock/ };

test("locked, nothing is answered and no secret, token or key is left in memory", async (t) => {
  const backwards = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
  // This function's own variables would be found, too.
  const straight = (index: number) => [...backwards[index]!].reverse().join("");
  const issuer = await startIssuer(t, () => ({
    json: { access_token: straight(1), token_type: "Bearer", expires_in: 3600 },
  }));
  const { add, lock, registry, sealed, clock, events, forgotten } = await startLockable(t);
  const credential = await add("labelf", client(issuer.url), { client_secret: straight(0) });
  t.is((await credential.token({})).answer.accessToken, straight(1));
  await sealed.settled();
  const before = await onHeap(backwards);
  t.true(
    before.every((count) => count > 0),
    "the search finds what is there",
  );

  await lock.lock(LOCK_REASONS.asked);
  issuer.requests.length = 0;
  t.throws(() => credential.token({}), LOCKED);
  t.is(
    reasonOf(() => lock.use("labelf")),
    "vault_locked",
  );
  t.is(credential.state(), "locked");
  t.is(registry.info("labelf").state, "locked");
  t.deepEqual(forgotten, ["forgotten"]);
  t.like(events.at(-1), { kind: "vault_locked", wanted: true });
  t.deepEqual(await onHeap(backwards), [0, 0]);

  // The timer rings on, and does nothing: no request, and the key is not looked for.
  for (let i = 0; i < 300; i++) clock.advance(MINUTE);
  t.is(issuer.requests.length, 0);
  t.not(sealed.locked, undefined);
  t.is(clock.pending, 1);
  t.throws(() => sealed.read("labelf"), LOCKED);

  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.locked, undefined);
  t.is(lock.isHeld, false);
  t.is((await credential.token({})).answer.accessToken, straight(1));
});

test("unlocked soon, the token from before is handed out without a request", async (t) => {
  const issuer = await startIssuer(t, {
    json: { access_token: "first", token_type: "Bearer", expires_in: 3600 },
  });
  const { add, lock } = await startLockable(t);
  const credential = await add("labelf", client(issuer.url), { client_secret: "x" });
  await credential.token({});
  await lock.lock(LOCK_REASONS.asked);
  await lock.lock(LOCK_REASONS.suspend);
  t.regex(lock.status.why!, /with authd lock/);
  await lock.unlock(PASSPHRASE, me);
  t.is((await credential.token({})).answer.accessToken, "first");
  t.is(issuer.requests.length, 1);
});

test("a wrong passphrase opens nothing, and the reason stays", async (t) => {
  const { lock, sealed } = await startLockable(t);
  await lock.lock(LOCK_REASONS.asked);
  const why = sealed.locked;
  await t.throwsAsync(lock.unlock("wrong", me), { message: /passphrase is wrong/ });
  await t.throwsAsync(lock.unlock(undefined, me), { message: /authd unlock, which asks/ });
  t.is(sealed.locked, why);
  t.false(await lock.isPassphrase("wrong", { ...me, uid: 1 }));
  t.true(await lock.isPassphrase(PASSPHRASE, { ...me, uid: 1 }));
});

test("who locks it while a passphrase is tried has the last word", async (t) => {
  const { lock, sealed } = await startLockable(t);
  await lock.lock(LOCK_REASONS.asked);
  const unlocking = lock.unlock(PASSPHRASE, me);
  await nextTurn();
  await lock.lock(LOCK_REASONS.suspend);
  await t.throwsAsync(unlocking, { message: /with authd lock/ });
  t.not(sealed.locked, undefined);
  t.true(lock.isHeld);
  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.locked, undefined);
});

test("a refresh token that is being spent is sealed before the key goes", async (t) => {
  const json = { access_token: "a", token_type: "Bearer", expires_in: 60, refresh_token: "r2" };
  const waiting: (() => void)[] = [];
  const issuer = await startIssuer(t, (_, response) => {
    waiting.push(() => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json));
    });
    return undefined;
  });
  const { add, lock, sealed } = await startLockable(t);
  const credential = await add("zebbra", rotating(issuer.url), { refresh_token: "r1" });
  const asked = Promise.resolve(credential.token({}));
  await until(() => waiting.length > 0);
  const locking = lock.lock(LOCK_REASONS.asked);
  t.is(
    reasonOf(() => lock.use("zebbra")),
    "vault_locked",
  );
  t.throws(() => credential.token({}), LOCKED);
  t.is(sealed.locked, undefined);
  // On a busy machine the request may have been given up and repeated.
  issuer.answer({ json });
  for (const answer of waiting) answer();
  await locking;
  await asked;
  t.not(sealed.locked, undefined);
  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.read("zebbra")?.secrets.refresh_token, "r2");
  t.is(sealed.read("zebbra")?.rotation?.intent, undefined);
});

test("a rotated token that the disk does not take keeps the vault open", async (t) => {
  const issuer = await startIssuer(t, () => {
    vault.broken = new Error("the disk is full");
    const json = { access_token: "a", token_type: "Bearer", expires_in: 3600, refresh_token: "r2" };
    return { json };
  });
  const { add, lock, sealed, vault } = await startLockable(t);
  const credential = await add("zebbra", rotating(issuer.url), { refresh_token: "r1" });
  await credential.token({});
  const error = await t.throwsAsync(lock.lock(LOCK_REASONS.asked), { instanceOf: AuthdError });
  t.regex(error!.message, /not locked, as a secret would be lost.*zebbra.*the disk is full/);
  t.is(sealed.locked, undefined);
  t.is((await credential.token({})).answer.accessToken, "a");
  t.is(credential.state(), "ready");
  vault.broken = undefined;
  await lock.lock(LOCK_REASONS.asked);
  t.is(sealed.locked === undefined, false);
  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.read("zebbra")?.secrets.refresh_token, "r2");
});

test("after so long without a use it locks itself, by boot time, whatever is renewed", async (t) => {
  const issuer = await startIssuer(t, {
    json: { access_token: "a", token_type: "Bearer", expires_in: 600 },
  });
  const { add, lock, sealed, clock } = await startLockable(t, { after: 30 * MINUTE });
  const file = { ...client(issuer.url), warm: "always" };
  const credential = await add("labelf", file, { client_secret: "x" });
  await credential.token({});
  lock.tick();
  clock.advance(29 * MINUTE);
  await until(() => issuer.requests.length > 1);
  t.is(sealed.locked, undefined);
  lock.use("labelf");
  clock.advance(29 * MINUTE);
  t.is(sealed.locked, undefined);
  clock.advance(MINUTE);
  await until(() => sealed.locked !== undefined);
  t.regex(sealed.locked!, /lock_after/);

  await lock.unlock(PASSPHRASE, me);
  lock.use("labelf");
  // Whoever asks first after a long sleep finds it locked, before any timer rang.
  clock.suspend(31 * MINUTE);
  t.is(
    reasonOf(() => lock.use("labelf")),
    "vault_locked",
  );
  await until(() => sealed.locked !== undefined);
});

test("authd lock --after counts until the file says something new", async (t) => {
  const { lock, sealed, clock } = await startLockable(t);
  lock.lockAfter(MINUTE);
  t.is(lock.status.afterMs, MINUTE);
  lock.configure(undefined);
  t.is(lock.status.afterMs, MINUTE);
  lock.configure(5 * MINUTE);
  clock.advance(4 * MINUTE);
  t.is(sealed.locked, undefined);
  clock.advance(MINUTE);
  await until(() => sealed.locked !== undefined);
});

test("a vault whose key lies beside it is not locked, and it says why", async (t) => {
  const { lock, sealed, dir, clock, registry } = await startLockable(t, {
    passphrase: "",
    after: MINUTE,
  });
  t.true(readFileSync(join(dir, "vault", "key"), "utf8").length > 0);
  await t.throwsAsync(lock.lock(LOCK_REASONS.asked), {
    instanceOf: AuthdError,
    message: /in a file beside it.*authd vault rekey --to passphrase/,
  });
  t.is(
    reasonOf(() => lock.lockAfter(MINUTE)),
    "invalid_params",
  );
  t.regex(lock.status.problem!, /can't be locked/);
  registry.tick();
  clock.advance(5 * MINUTE);
  lock.use("labelf");
  t.is(sealed.locked, undefined);
});

test("a key that could not be had is looked for, until somebody wants it locked", async (t) => {
  const { lock, sealed, events } = await startLockable(t);
  await sealed.lock("the keychain is away");
  lock.tick();
  await until(() => sealed.locked === undefined);
  t.like(events.at(-1), { kind: "vault_unlocked" });
  await sealed.lock("the keychain is away");
  lock.tick();
  // While it is being looked for.
  await lock.lock(LOCK_REASONS.asked);
  await new Promise((done) => setTimeout(done, 1_000));
  t.regex(sealed.locked!, /with authd lock/);
  lock.tick();
  await new Promise((done) => setTimeout(done, 600));
  t.regex(sealed.locked!, /with authd lock/);
});
