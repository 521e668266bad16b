import test, { type ExecutionContext } from "ava";
import { Timekeeper } from "../../src/base/timekeeper.ts";
import { buildIssuedToken, type IssuedToken } from "../../src/credential/issued-token.ts";
import type { CredentialRecord } from "../../src/credential/record.ts";
import { StoredRecord } from "../../src/credential/stored-record.ts";
import type { Token } from "../../src/credential/token.ts";
import { createTokenSlot } from "../../src/credential/token-slot.ts";
import type { AuthdError } from "../../src/errors.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

async function setup(t: ExecutionContext) {
  const engine = await startTestRegistry(t);
  const { vault, clock, log } = engine;
  const slot = createTokenSlot({});
  const failures: string[] = [];
  const stored = new StoredRecord({
    name: "demo",
    vault,
    time: new Timekeeper(clock),
    log,
    tokens: () => [slot],
    acquisition: () => "digest",
    onFailure: (message) => void failures.push(message),
    onAlarm: () => {},
  });
  const record = { secrets: { token: "x" }, binding: "b", tokens: [] };
  stored.record = record;
  return { engine, stored, record, slot, failures, vault, clock };
}

const issued = (engine: {
  settings: Awaited<ReturnType<typeof startTestRegistry>>["settings"];
}) => {
  const token: Token = {
    lifetime: Number.POSITIVE_INFINITY,
    assumed: false,
    bornAt: 1,
    obtainedAt: 2,
    jitter: 0.5,
    ageUncertain: false,
  };
  const source = { settings: engine.settings("demo", { grant: "static" }), secrets: {} };
  const words = { accessToken: "a", tokenType: "Bearer" };
  return buildIssuedToken(words, { token, isRestored: false }, source, {
    wall: 2,
    boot: 1,
  }) as IssuedToken;
};

test("a record is sealed with the tokens of now, and what they were obtained with", async (t) => {
  const { engine, stored, record, slot, vault } = await setup(t);
  slot.issued = issued(engine);
  await stored.save(record, true);
  const sealed = vault.read("demo");
  t.is(sealed?.obtainedWith, "digest");
  t.is(sealed?.tokens[0]?.accessToken, "a");
  t.is(sealed?.tokens[0]?.lifetime, null, "Infinity, which JSON lacks");
  t.deepEqual(stored.load(), sealed);
});

test("what could not be sealed is tried again, and no longer when it is dropped", async (t) => {
  const { stored, record, vault, clock, failures } = await setup(t);
  vault.broken = new Error("no room on the disk");
  await stored.save(record, true);
  t.is(failures.length, 1);
  t.regex(failures[0] ?? "", /demo.*no room/);
  t.true(stored.retrySaveAt > clock.boot());
  stored.retrySave(stored.retrySaveAt - 1);
  t.true(Number.isFinite(stored.retrySaveAt));
  vault.broken = undefined;
  stored.retrySave(stored.retrySaveAt);
  t.is(stored.retrySaveAt, Number.POSITIVE_INFINITY);
  vault.broken = new Error("no room on the disk");
  const failing = stored.save(record, true);
  stored.drop();
  await failing;
  t.is(stored.retrySaveAt, Number.POSITIVE_INFINITY);
  t.is(failures.length, 1);
});

test("what waits for a change to be sealed is not started again with every ring", async (t) => {
  const { stored, record, vault } = await setup(t);
  vault.broken = new Error("no room on the disk");
  await stored.save(record, true);
  const due = stored.retrySaveAt;
  const release = vault.hold();
  const amended = stored.update(
    () => {},
    () => {},
  );
  stored.retrySave(due);
  t.is(stored.retrySaveAt, Number.POSITIVE_INFINITY);
  vault.broken = undefined;
  release();
  await amended;
});

test("when a program asked is sealed anew after six hours", async (t) => {
  const { engine, stored, record, slot, vault, clock } = await setup(t);
  slot.issued = issued(engine);
  slot.lastUsedAt = clock.boot();
  await stored.save(record, true);
  const sealed = JSON.stringify(vault.read("demo"));
  clock.advance(5 * 3_600_000);
  slot.lastUsedAt = clock.boot();
  stored.retrySave(clock.boot());
  t.is(vault.waiting, 0);
  clock.advance(2 * 3_600_000);
  slot.lastUsedAt = clock.boot();
  stored.retrySave(clock.boot());
  t.is(vault.waiting, 1);
  await until(() => JSON.stringify(vault.read("demo")) !== sealed);
  t.pass();
});

test("another record than the present one is not sealed", async (t) => {
  const { stored, record, vault } = await setup(t);
  await stored.save({ ...record }, true);
  t.deepEqual(vault.names(), []);
});

test("a change is made when it is sealed, and not before; what is saved meanwhile comes after it", async (t) => {
  const { stored, record, vault } = await setup(t);
  const release = vault.hold();
  let adopted = false;
  const amended = stored.update(
    (changed) => {
      changed.secrets = { token: "y" };
    },
    () => {
      adopted = true;
    },
  );
  const saved = stored.save(record, true);
  t.is(record.secrets.token, "x");
  t.is(vault.waiting, 1);
  release();
  await amended;
  t.true(adopted);
  await saved;
  t.is(record.secrets.token, "y");
  t.deepEqual(vault.read("demo")?.secrets, { token: "y" });
});

test("a change that can't be sealed is not made, and holds nothing up", async (t) => {
  const { stored, record, vault } = await setup(t);
  vault.broken = new Error("no room on the disk");
  const change = () => t.fail("adopted");
  await t.throwsAsync(
    stored.update((changed) => {
      changed.secrets = { token: "y" };
    }, change),
    { message: /no room/ },
  );
  vault.broken = undefined;
  t.is(record.secrets.token, "x");
  await stored.save(record, true);
  t.deepEqual(vault.read("demo")?.secrets, { token: "x" });
});

test("changes are made one after the other", async (t) => {
  const { stored, record } = await setup(t);
  const add = (name: string) =>
    stored.update(
      (changed) => {
        changed.secrets = { ...changed.secrets, [name]: name };
      },
      () => {},
    );
  await Promise.all([add("a"), add("b"), add("c")]);
  t.deepEqual(Object.keys(record.secrets), ["token", "a", "b", "c"]);
});

test("a record that authd never sealed like that is damaged; tokens that don't fit are dropped", async (t) => {
  const { stored, vault } = await setup(t);
  const sound = { secrets: { token: "x" }, binding: "b", tokens: [] };
  const malformed = [
    { ...sound, secrets: { token: 12345 } },
    { ...sound, secrets: {}, binding: 5 },
    { ...sound, tokens: "zz" },
    { ...sound, rotation: { intent: {} } },
    { ...sound, refused: { reason: "tired", message: "no", at: 1 } },
    { ...sound, candidate: { enteredAt: 1, replaces: "b", record: {} } },
  ];
  for (const record of malformed) {
    await vault.write("demo", record as unknown as CredentialRecord, { durable: true });
    const error = t.throws(() => stored.load(), { name: "AuthdError" }, JSON.stringify(record));
    t.is((error as AuthdError).reason, "credential_damaged");
    t.regex(error!.message, /^demo: its sealed record is malformed \([\w.]+\); .*authd set demo$/);
    t.false(error!.message.includes("12345"));
    t.is(stored.record, undefined);
  }
  const odd = { ...sound, tokens: [null, {}, { accessToken: 5 }], news: [1], lastRefreshAt: null };
  await vault.write("demo", odd as unknown as CredentialRecord, { durable: true });
  t.deepEqual(stored.load() as unknown, { ...sound, news: [1] });
});

test("a record as every earlier version sealed it opens as it is", async (t) => {
  const { stored, vault } = await setup(t);
  const token = {
    accessToken: "a",
    tokenType: "Bearer",
    lifetime: 3_600_000,
    assumed: false,
    obtainedAt: { wall: 1, boot: 1, bootId: "b" },
    jitter: 0.5,
    askedAt: 0,
  };
  const records: CredentialRecord[] = [
    { secrets: {}, binding: "", tokens: [] },
    { secrets: { token: "x" }, binding: "b", tokens: [{ ...token, lifetime: null }] },
    {
      secrets: { refresh_token: "r" },
      binding: "guarded:b",
      written: { token_url: "d" },
      tokens: [{ ...token, variant: { scope: "s" }, scope: "s", refreshIn: 5, askedAtBoot: 2 }],
      obtainedWith: "d",
      rotation: { worked: false, previous: "p", intent: {}, expiresAt: 5, lifetime: 4 },
      ...{ refreshCount: 1, lastRefreshAt: 2, lastRefreshMs: 3, codeSentAt: 4 },
      refused: { reason: "login_required", message: "no", at: 1 },
      refusals: { count: 1, writtenRequest: "w" },
      refusedVariations: 2,
      singleAccessToken: true,
    },
  ];
  for (const record of records) {
    await vault.write("demo", record, { durable: true });
    t.deepEqual(stored.load(), record);
  }
});
