import { renameSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import type { Configuration, CredentialSettings } from "../../src/config/settings.ts";
import type { Credential } from "../../src/credential/credential.ts";
import type { IssuedToken } from "../../src/credential/issued-token.ts";
import type { Registry } from "../../src/credential/registry.ts";
import type { AuthdError } from "../../src/errors.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const fine = { json: { access_token: "token", token_type: "bearer", expires_in: 3600 } };

function configuration(
  credentials: CredentialSettings[],
  errors: Configuration["errors"] = [],
): Configuration {
  return {
    daemon: { vaultKey: "file", logLevel: "info", maxConnections: 9 },
    defaults: {},
    access: "{}",
    credentials: new Map(credentials.map((settings) => [settings.name, settings])),
    errors,
  };
}

async function setup(t: ExecutionContext) {
  const issuer = await startIssuer(t, fine);
  const engine = await startTestRegistry(t);
  const file = (more: object = {}) => ({
    grant: "client_credentials",
    token_url: issuer.url,
    client_id: "app",
    ...more,
  });
  const add = (name: string, more: object = {}) =>
    engine.add(name, file(more), { client_secret: "x" });
  const settings = (name: string, more: object = {}) => engine.settings(name, file(more));
  return { issuer, engine, registry: engine.registry, add, settings };
}

const reasonOf = (registry: Registry, name: string) => {
  try {
    registry.get(name);
    return undefined;
  } catch (error) {
    return (error as AuthdError).reason;
  }
};

test("an unknown name is told with the likeliest one", async (t) => {
  const { registry, add } = await setup(t);
  await add("labelf");
  const error = t.throws(() => registry.get("lablef")) as AuthdError;
  t.is(error.reason, "unknown_credential");
  t.regex(error.message, /labelf/);
});

test("with thousands of names a guess is made now and then, not for each unknown name", async (t) => {
  const { registry, settings } = await startTestRegistry(t);
  const file = { grant: "client_credentials", token_url: "https://issuer.example/token" };
  for (let i = 0; i < 3_000; i++) {
    registry.add(settings(`credential-${i}`, { ...file, client_id: "app" }));
  }
  const isGuessed = () => {
    const error = t.throws(() => registry.get("credential-x7"));
    return /Did you mean/.test(error?.message ?? "");
  };
  t.true(isGuessed());
  t.false(isGuessed());
  await until(isGuessed);
});

test("apply adds, changes and takes away, and says which", async (t) => {
  const { registry, settings, engine } = await setup(t);
  t.deepEqual(registry.apply(configuration([settings("a"), settings("b")])), ["a", "b"]);
  t.deepEqual(registry.apply(configuration([settings("a"), settings("b")])), []);
  const edited = settings("a", { secret_expires: "2031-01-31" });
  t.deepEqual(registry.apply(configuration([edited])), ["a", "b"]);
  t.is(registry.info("a").secretExpires, "2031-01-31");
  t.is(reasonOf(registry, "b"), "unknown_credential");
  t.deepEqual(
    registry.infos().map(({ name }) => name),
    ["a"],
  );
  t.is(engine.events.at(-1)?.credential, "b");
});

test("a broken file closes its credential, also one that never worked", async (t) => {
  const { registry, add } = await setup(t);
  const known = await add("known");
  const broken = (name: string) => ({ file: `${name}.toml`, credential: name, message: "Line 1." });
  registry.apply(configuration([], [broken("known"), broken("never")]));
  t.is(registry.get("known"), known);
  t.is(registry.info("known").state, "damaged");
  t.throws(() => known.token({}), { message: /known\.toml, Line 1\. Mend it/ });
  t.is(reasonOf(registry, "never"), "credential_damaged");
  t.is(registry.info("never").state, "damaged");
  t.true(registry.hasAny("never"));
  t.is(registry.size, 2);
  registry.apply(configuration([]));
  t.is(registry.size, 0);
});

test("a credential whose file is gone keeps its sealed record", async (t) => {
  const { registry, add, engine, settings } = await setup(t);
  await add("a");
  registry.apply(configuration([]));
  t.deepEqual(engine.vault.names(), ["a"]);
  registry.apply(configuration([settings("a")]));
  t.is((await registry.get("a").token({})).accessToken, "token");
});

test("the timer sleeps 30 s at most, and does not ring in vain", async (t) => {
  const { add, engine } = await setup(t);
  await (await add("a")).token({});
  engine.registry.tick();
  const before = engine.rings;
  engine.clock.advance(10 * MINUTE);
  t.is(engine.rings - before, 20);
});

/** How often the timer has looked at it. */
function visits(credential: Credential): () => number {
  const runDue = credential.runDue.bind(credential);
  let count = 0;
  credential.runDue = (now, delay) => {
    count++;
    runDue(now, delay);
  };
  return () => count;
}

test("between two looks at all, a ring looks at those alone whose time has come", async (t) => {
  const { add, engine } = await setup(t);
  engine.registry.tick();
  const [idle, busy] = [await add("idle"), await add("busy")];
  await busy.token({});
  const idled = visits(idle);
  // Tokens of an hour are renewed after three quarters of it.
  engine.clock.advance(46 * MINUTE);
  await until(() => busy.info().refreshCount === 2);
  t.true(idled() >= 9 && idled() <= 10, `${idled()} looks in 46 minutes`);
});

test("a next try that a caller brings forward is made in its time", async (t) => {
  const { add, engine, issuer } = await setup(t);
  issuer.answer({ status: 500, body: "down" });
  const credential = await add("a");
  engine.clock.chance = 0.999;
  for (let failures = 1; failures <= 4; failures++) {
    const refresh = credential.refresh(MINUTE);
    await t.throwsAsync(refresh);
  }
  engine.clock.advance(2 * SECOND);
  const before = issuer.requests.length;
  await t.throwsAsync(async () => await credential.token({}), { message: /Next try in 3 s/ });
  engine.clock.advance(2 * SECOND);
  t.is(issuer.requests.length, before);
  engine.clock.advance(1_100);
  await until(() => issuer.requests.length > before);
  await until(() => credential.state() === "failing");
});

test("that a token has run out is told in its time, although nobody renews it", async (t) => {
  const { add, engine, issuer } = await setup(t);
  issuer.answer({ json: { access_token: "token", token_type: "bearer", expires_in: 86_400 } });
  await (await add("a")).token({});
  engine.registry.tick();
  engine.clock.advance(24 * 60 * MINUTE - SECOND);
  t.is(engine.events.at(-1)?.state, "ready");
  engine.clock.advance(2 * SECOND);
  t.is(engine.events.at(-1)?.state, "idle");
  t.is(issuer.requests.length, 1);
});

test("neither a failing issuer nor a failing disk makes the timer ring again and again", async (t) => {
  const { add, engine, issuer } = await setup(t);
  const credential = await add("a");
  await credential.token({});
  issuer.answer({ status: 500, body: "down" });
  engine.vault.broken = new Error("no room on the disk");
  engine.clock.advance(46 * MINUTE);
  await until(() => credential.state() === "failing");
  const before = engine.rings;
  for (let second = 0; second < 60; second++) {
    engine.clock.advance(SECOND);
    await until(() => credential.state() !== "refreshing");
  }
  t.true(engine.rings - before < 40, `${engine.rings - before} rings`);
});

test("one that was removed while it could not be sealed is tried no more", async (t) => {
  const { add, engine } = await setup(t);
  const credential = await add("a");
  engine.vault.broken = new Error("no room on the disk");
  await credential.token({});
  await until(() => engine.errors.length === 1);
  engine.registry.delete("a");
  const now = { wall: engine.clock.wall(), boot: engine.clock.boot() };
  t.is(credential.nextDeadline(now), Number.POSITIVE_INFINITY);
  engine.clock.advance(MINUTE);
  t.is(engine.errors.length, 1);
});

test("nothing is started by itself after close", async (t) => {
  const { add, engine, issuer } = await setup(t);
  await add("a", { warm: "always" });
  engine.registry.close();
  engine.registry.tick();
  engine.clock.advance(MINUTE);
  t.is(issuer.requests.length, 0);
  t.is(engine.clock.pending, 0);
});

test("a request whose token nobody wants any more still counts as under way", async (t) => {
  const { add, engine, issuer } = await setup(t);
  const held = new HeldAnswers();
  issuer.answer(held.answer);
  const credential = await add("a");
  const asked = credential.token({}) as Promise<IssuedToken>;
  await until(() => issuer.requests.length === 1);
  await credential.update(credential.settings, { secrets: { client_secret: "y" } });
  t.is(engine.registry.pendingRefreshes, 1);
  held.release(fine.json);
  await asked;
  t.is(engine.registry.pendingRefreshes, 0);
});

test("an intent found while the vault is locked is acted on when it opens", async (t) => {
  const { engine, issuer } = await setup(t);
  const file = { grant: "refresh_token", token_url: issuer.url, client_id: "app" };
  const more = { rotation: { intent: {}, worked: false } };
  const { settings } = await engine.add("a", file, { refresh_token: "r" }, more);
  await until(() => issuer.requests.length === 1 && engine.registry.pendingRefreshes === 0);
  await engine.vault.write(
    "a",
    { secrets: { refresh_token: "r" }, binding: settings.binding, tokens: [], ...more },
    { durable: true },
  );
  const key = join(engine.dir, "vault", "key");
  renameSync(key, `${key}.away`);
  const restarted = await engine.restart();
  restarted.registry.add(settings);
  t.is(restarted.registry.info("a").state, "locked");
  restarted.registry.tick();
  t.is(issuer.requests.length, 1);
  renameSync(`${key}.away`, key);
  t.true(await restarted.vault.unlock());
  restarted.registry.loadAll();
  await until(() => restarted.registry.info("a").state === "ready");
  t.is(issuer.requests.length, 2);
});

test("an answer that lives for an instant is not asked for once more", async (t) => {
  const { issuer, registry, add } = await setup(t);
  issuer.answer({ json: { access_token: "token", token_type: "bearer", expires_in: "5e-324" } });
  await add("demo", { warm: "always" });
  registry.tick();
  await until(() => registry.pendingRefreshes === 0);
  t.is(issuer.requests.length, 1);
});

test("tokens that hardly live are renewed twice a second at most", async (t) => {
  const { issuer, engine, registry, add } = await setup(t);
  issuer.answer({ json: { access_token: "token", token_type: "bearer", expires_in: 0.01 } });
  await add("demo", { warm: "always" });
  registry.tick();
  for (let ms = 0; ms < 3_000; ms += 5) {
    engine.clock.advance(5);
    await until(() => registry.pendingRefreshes === 0);
  }
  t.true(issuer.requests.length >= 2 && issuer.requests.length <= 7, `${issuer.requests.length}`);
});

test("a file is read when its credential is asked for, all when all are asked for", async (t) => {
  const { registry, settings } = await setup(t);
  const read: string[] = [];
  const files: Record<string, CredentialSettings> = { a: settings("a"), b: settings("b") };
  registry.open({
    names: ["a", "b", "broken", "gone"],
    read(name) {
      read.push(name);
      if (name === "broken") return { file: "broken.toml", credential: name, message: "Line 1." };
      return files[name];
    },
  });
  t.is(registry.size, 4);
  t.false(registry.isRead);
  t.is(registry.get("b").name, "b");
  t.is(registry.get("b").name, "b");
  t.deepEqual(read, ["b"]);
  t.throws(() => registry.get("broken"), { message: /broken.toml/ });
  t.throws(() => registry.get("gone"), { message: /no credential "gone"/ });
  t.deepEqual(
    registry
      .all()
      .map(({ name }) => name)
      .sort(),
    ["a", "b"],
  );
  t.deepEqual(read, ["b", "broken", "gone", "a"]);
  t.true(registry.isRead);
  t.deepEqual(registry.sortedNames(), ["a", "b", "broken"]);
});

test("reading goes on in slices, and leaves a credential alone that was added or removed meanwhile", async (t) => {
  const { registry, settings } = await setup(t);
  const names = ["a", "b", "c"];
  const read: string[] = [];
  registry.open({
    names,
    read(name) {
      read.push(name);
      return settings(name);
    },
  });
  registry.readSome(0);
  t.deepEqual(read, ["a"], "one at least");
  registry.add(settings("b"));
  registry.delete("c");
  registry.readSome(1_000);
  t.deepEqual(read, ["a"]);
  t.true(registry.isRead);
  t.deepEqual(registry.sortedNames(), ["a", "b"]);
});
