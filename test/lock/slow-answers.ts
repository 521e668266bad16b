/** A lock while a rotating refresh token is unanswered for longer than the lock waits. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuthdError } from "../../src/errors.ts";
import { LOCK_REASONS } from "../../src/lock/lock-errors.ts";
import { onHeap } from "../helpers/heap.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { PASSPHRASE, startLockable } from "../helpers/lockable.ts";
import { startReuseIssuer } from "../helpers/reuse-issuer.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const me = { uid: process.geteuid?.() ?? 0, pid: process.pid, connectedAt: 0 };
const LOCKED = { instanceOf: AuthdError, message: /authd unlock/ };

/** A request that has spent `refresh-0` of "slow", and a vault that is locked beside it. */
async function setup(t: ExecutionContext, secret = "practice-secret") {
  const reuse = await startReuseIssuer(t);
  reuse.grace = true;
  const staged = await startLockable(t);
  const file = { grant: "refresh_token", token_url: reuse.issuer.url, client_id: "me" };
  const secrets = { refresh_token: "refresh-0", client_secret: secret };
  const credential = await staged.add("slow", file, secrets);
  const asked = Promise.resolve(credential.token({ forceRefresh: true })).catch((error) => error);
  await until(() => reuse.waiting === 1);
  /** Locks it, and lets the time pass that a lock waits. */
  const lockUp = async () => {
    const locking = staged.lock.lock(LOCK_REASONS.asked);
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.is(staged.sealed.locked, undefined, "a lock waits for an answer first");
    staged.clock.advance(30 * SECOND);
    await locking;
    t.regex(staged.sealed.locked ?? "", /with authd lock/);
  };
  const header = () => {
    const [first = ""] = readFileSync(join(staged.dir, "vault", "slow.sealed"), "latin1").split(
      "\n",
    );
    return JSON.parse(first) as { alg: string };
  };
  return { ...staged, reuse, credential, asked, lockUp, header };
}

test("everything else is wiped after 30 s; the answer is sealed when it comes, and then its record is wiped, too", async (t) => {
  const backwards = Array.from({ length: 3 }, () => randomBytes(16).toString("hex"));
  const straight = (index: number) => [...backwards[index]!].reverse().join("");
  const api = await startIssuer(t, () => ({
    json: { access_token: straight(1), token_type: "Bearer", expires_in: 3_600 },
  }));
  const { reuse, credential, asked, lockUp, header, ...engine } = await setup(t, straight(2));
  const file = { grant: "client_credentials", token_url: api.url, client_id: "me" };
  const other = await engine.add("other", file, { client_secret: straight(0) });
  await other.token({});
  await lockUp();
  api.requests.length = 0;
  reuse.issuer.requests.length = 0;

  const [secret, token, own] = await onHeap(backwards);
  t.deepEqual([secret, token], [0, 0], "of other credentials nothing is left");
  t.true((own ?? 0) > 0, "what is needed to seal the one record is");
  t.throws(() => engine.sealed.read("slow"), LOCKED);
  t.throws(() => engine.sealed.read("other"), LOCKED);
  await t.throwsAsync(engine.sealed.write("other", {} as never, { durable: true }), LOCKED);
  t.throws(() => credential.token({}), LOCKED);
  t.is(credential.state(), "locked");

  engine.clock.advance(30 * SECOND);
  reuse.answer();
  await until(() => !credential.hasToSeal);
  await asked;
  await engine.sealed.settled();
  t.is(header().alg, "A256GCM-RECORD");
  t.deepEqual(reuse.arrived, ["refresh-0"]);
  t.deepEqual(await onHeap([backwards[2]!]), [0]);
  t.throws(() => credential.record, LOCKED);
  await t.throwsAsync(engine.sealed.write("slow", {} as never, { durable: true }), LOCKED);

  await engine.lock.unlock(PASSPHRASE, me);
  t.is(engine.sealed.read("slow")?.secrets.refresh_token, "refresh-1");
  t.is(engine.sealed.read("slow")?.rotation?.intent, undefined);
  t.is((await credential.token({})).answer.accessToken, "token-1");
  reuse.holding = false;
  t.is((await credential.token({ forceRefresh: true })).answer.accessToken, "token-2");
  await engine.sealed.settled();
  t.is(header().alg, "A256GCM", "with the vault's key again");
  t.false(reuse.isRevoked);
});

test("a daemon that starts on what was sealed while the vault was locked reads it", async (t) => {
  const { reuse, credential, asked, lockUp, restart } = await setup(t);
  await lockUp();
  reuse.answer();
  await until(() => !credential.hasToSeal);
  await asked;
  const { vault } = await restart();
  t.is(vault.read("slow")?.secrets.refresh_token, "refresh-1");
});

test("unlocked before the answer, the request goes on and brings the token", async (t) => {
  const { reuse, credential, asked, lockUp, lock, sealed, clock } = await setup(t);
  await lockUp();
  await lock.unlock(PASSPHRASE, me);
  clock.advance(30 * SECOND);
  reuse.answer();
  await asked;
  t.is((await credential.token({})).answer.accessToken, "token-1");
  t.deepEqual(reuse.arrived, ["refresh-0"]);
  t.is(sealed.read("slow")?.secrets.refresh_token, "refresh-1");
  t.is(credential.state(), "ready");
});

test("unlocked and locked again before the answer, it is sealed all the same", async (t) => {
  const { reuse, credential, lockUp, lock, sealed } = await setup(t);
  await lockUp();
  await lock.unlock(PASSPHRASE, me);
  await lockUp();
  reuse.answer();
  await until(() => !credential.hasToSeal);
  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.read("slow")?.secrets.refresh_token, "refresh-1");
});

test("a connection that breaks while the vault is locked is followed by one more request", async (t) => {
  const { reuse, credential, lockUp, lock, sealed } = await setup(t);
  await lockUp();
  reuse.reset();
  await until(() => reuse.arrived.length === 2);
  reuse.answer();
  await until(() => !credential.hasToSeal);
  t.deepEqual(reuse.sentTwice, []);
  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.read("slow")?.secrets.refresh_token, "refresh-1");
});

test("a disk that does not take it while the vault is locked is tried until it does", async (t) => {
  const { reuse, credential, lockUp, lock, sealed, vault, clock } = await setup(t);
  await lockUp();
  vault.broken = new Error("the disk is full");
  reuse.answer();
  await until(() => credential.pendingRefreshes === 0);
  t.true(credential.hasToSeal);
  t.is(credential.unsaved?.atRisk, "secrets");
  t.throws(() => credential.token({}), LOCKED);
  vault.broken = undefined;
  clock.advance(5 * SECOND);
  await until(() => !credential.hasToSeal);
  t.throws(() => credential.record, LOCKED);
  await lock.unlock(PASSPHRASE, me);
  t.is(sealed.read("slow")?.secrets.refresh_token, "refresh-1");
});

test("a file that is edited while the vault is locked opens nothing", async (t) => {
  const { reuse, credential, lockUp, settings } = await setup(t);
  await lockUp();
  const file = { grant: "refresh_token", token_url: reuse.issuer.url, client_id: "me" };
  credential.applySettings(settings("slow", { ...file, warm: "always" }));
  t.is(credential.state(), "locked");
  t.throws(() => credential.token({}), LOCKED);
  reuse.answer();
  await until(() => !credential.hasToSeal);
  t.is(credential.state(), "locked");
});
