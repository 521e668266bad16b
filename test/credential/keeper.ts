import test, { type ExecutionContext } from "ava";
import { type IssuedToken, issue } from "../../src/credential/issued.ts";
import { Keeper } from "../../src/credential/keeper.ts";
import { createVariant } from "../../src/credential/variant.ts";
import { Timekeeper } from "../../src/timekeeper.ts";
import type { Token } from "../../src/token.ts";
import { startEngine, until } from "../helpers/engine.ts";

async function stage(t: ExecutionContext) {
  const engine = await startEngine(t);
  const { vault, clock, log } = engine;
  const variant = createVariant({});
  const failures: string[] = [];
  const keeper = new Keeper({
    name: "demo",
    vault,
    time: new Timekeeper(clock),
    log,
    variants: () => [variant],
    acquisition: () => "digest",
    onFailure: (message) => void failures.push(message),
    onAlarm: () => {},
  });
  const record = { secrets: { token: "x" }, binding: "b", tokens: [] };
  keeper.record = record;
  return { engine, keeper, record, variant, failures, vault, clock };
}

const issued = (engine: { settings: Awaited<ReturnType<typeof startEngine>>["settings"] }) => {
  const token: Token = {
    lifetime: Number.POSITIVE_INFINITY,
    assumed: false,
    bornAt: 1,
    obtainedAt: 2,
    jitter: 0.5,
    doubtful: false,
  };
  const source = { settings: engine.settings("demo", { grant: "static" }), secrets: {} };
  const words = { accessToken: "a", tokenType: "Bearer" };
  return issue(words, { token, revived: false }, source, { wall: 2, boot: 1 }) as IssuedToken;
};

test("a record is sealed with the tokens of now, and what they were obtained with", async (t) => {
  const { engine, keeper, record, variant, vault } = await stage(t);
  variant.issued = issued(engine);
  await keeper.save(record, true);
  const sealed = vault.read("demo");
  t.is(sealed?.obtainedWith, "digest");
  t.is(sealed?.tokens[0]?.accessToken, "a");
  t.is(sealed?.tokens[0]?.lifetime, null, "Infinity, which JSON lacks");
  t.deepEqual(keeper.load(), sealed);
});

test("what could not be sealed is tried again, and no longer when it is dropped", async (t) => {
  const { keeper, record, vault, clock, failures } = await stage(t);
  vault.broken = new Error("no room on the disk");
  await keeper.save(record, true);
  t.is(failures.length, 1);
  t.regex(failures[0] ?? "", /demo.*no room/);
  t.true(keeper.saveAgainAt > clock.boot());
  keeper.saveAgain(keeper.saveAgainAt - 1);
  t.true(Number.isFinite(keeper.saveAgainAt));
  vault.broken = undefined;
  keeper.saveAgain(keeper.saveAgainAt);
  t.is(keeper.saveAgainAt, Number.POSITIVE_INFINITY);
  vault.broken = new Error("no room on the disk");
  const failing = keeper.save(record, true);
  keeper.drop();
  await failing;
  t.is(keeper.saveAgainAt, Number.POSITIVE_INFINITY);
  t.is(failures.length, 1);
});

test("what waits for a change to be sealed is not started again with every ring", async (t) => {
  const { keeper, record, vault } = await stage(t);
  vault.broken = new Error("no room on the disk");
  await keeper.save(record, true);
  const due = keeper.saveAgainAt;
  const release = vault.hold();
  const amended = keeper.amend(
    () => {},
    () => {},
  );
  keeper.saveAgain(due);
  t.is(keeper.saveAgainAt, Number.POSITIVE_INFINITY);
  vault.broken = undefined;
  release();
  await amended;
});

test("when a program asked is sealed anew after six hours", async (t) => {
  const { engine, keeper, record, variant, vault, clock } = await stage(t);
  variant.issued = issued(engine);
  variant.askedAt = clock.boot();
  await keeper.save(record, true);
  const sealed = JSON.stringify(vault.read("demo"));
  clock.advance(5 * 3_600_000);
  variant.askedAt = clock.boot();
  keeper.saveAgain(clock.boot());
  t.is(vault.waiting, 0);
  clock.advance(2 * 3_600_000);
  variant.askedAt = clock.boot();
  keeper.saveAgain(clock.boot());
  t.is(vault.waiting, 1);
  await until(() => JSON.stringify(vault.read("demo")) !== sealed);
  t.pass();
});

test("another record than the present one is not sealed", async (t) => {
  const { keeper, record, vault } = await stage(t);
  await keeper.save({ ...record }, true);
  t.deepEqual(vault.names(), []);
});

test("a change is made when it is sealed, and not before; what is saved meanwhile comes after it", async (t) => {
  const { keeper, record, vault } = await stage(t);
  const release = vault.hold();
  let adopted = false;
  const amended = keeper.amend(
    (changed) => {
      changed.secrets = { token: "y" };
    },
    () => {
      adopted = true;
    },
  );
  const saved = keeper.save(record, true);
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
  const { keeper, record, vault } = await stage(t);
  vault.broken = new Error("no room on the disk");
  const change = () => t.fail("adopted");
  await t.throwsAsync(
    keeper.amend((changed) => {
      changed.secrets = { token: "y" };
    }, change),
    { message: /no room/ },
  );
  vault.broken = undefined;
  t.is(record.secrets.token, "x");
  await keeper.save(record, true);
  t.deepEqual(vault.read("demo")?.secrets, { token: "x" });
});

test("changes are made one after the other", async (t) => {
  const { keeper, record } = await stage(t);
  const add = (name: string) =>
    keeper.amend(
      (changed) => {
        changed.secrets = { ...changed.secrets, [name]: name };
      },
      () => {},
    );
  await Promise.all([add("a"), add("b"), add("c")]);
  t.deepEqual(Object.keys(record.secrets), ["token", "a", "b", "c"]);
});
