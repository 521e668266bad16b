import test, { type ExecutionContext } from "ava";
import { createAccess } from "../../src/access/create-access.ts";
import type { Backup } from "../../src/admin/backup.ts";
import type { LoginService } from "../../src/admin/login/login-service.ts";
import type { TokenFiles } from "../../src/admin/token-files/token-files.ts";
import { callerInterceptor } from "../../src/daemon/caller-interceptor.ts";
import type { FleetService } from "../../src/daemon/fleet/fleet-service.ts";
import { methods } from "../../src/daemon/methods.ts";
import { withUploads } from "../../src/daemon/upload-methods.ts";
import { AuthdError } from "../../src/errors.ts";
import type { VaultLocker } from "../../src/lock/vault-locker.ts";
import type { GetTokenResult, StatusResult } from "../../src/protocol.ts";
import type { Call } from "../../src/rpc/call.ts";
import { compose } from "../../src/rpc/compose.ts";
import { params } from "../../src/rpc/params.ts";
import { createSerializer } from "../../src/rpc/serializer.ts";
import { Subscriptions } from "../../src/rpc/subscriptions.ts";
import { adminOf } from "../helpers/admin.ts";
import { HeldAnswers } from "../helpers/held-answers.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";
import { until } from "../helpers/until.ts";

/** A call whose signal is made only if somebody asks for it. */
class FakeCall implements Call {
  readonly id = 1;
  readonly peer = undefined;
  readonly told: unknown[] = [];
  left = false;
  readonly connection = {
    closed: false,
    onClose: () => {},
    leave: () => {
      this.left = true;
    },
  };
  controller: AbortController | undefined;

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    return this.controller.signal;
  }

  room() {
    return { reserve: () => undefined, keep: () => {} };
  }

  lastingRoom() {
    return { ...this.room(), release: () => {} };
  }

  releasesWhenTaken(): void {}

  async notify(name: string, about: unknown): Promise<void> {
    this.told.push([name, about]);
  }
}

async function setup(t: ExecutionContext) {
  let count = 0;
  const issuer = await startIssuer(t, () => ({
    json: { access_token: `token-${++count}`, token_type: "bearer", expires_in: 600 },
  }));
  const engine = await startTestRegistry(t);
  await engine.add(
    "demo",
    { grant: "client_credentials", token_url: issuer.url, client_id: "app" },
    { client_secret: "x" },
  );
  const { registry, http, log } = engine;
  const { admin, env } = adminOf(engine);
  const subscriptions = new Subscriptions();
  let shutdowns = 0;
  const { access, approvals } = createAccess({
    ...{ env, clock: engine.clock, log, admin },
    guestsAnswer: () => false,
    passphrase: () => undefined,
    onNoPrompt: () => {},
  });
  const all = methods({
    ...{ registry, admin, access, approvals },
    // Over a real daemon: test/cli/vault.ts and lock.ts.
    backup: {} as Backup,
    logins: {} as LoginService,
    lock: {} as VaultLocker,
    tokenFiles: {} as TokenFiles,
    fleet: async () => ({}) as FleetService,
    http,
    subscriptions,
    status: () => ({ pid: 7 }) as StatusResult,
    health: () => ({ ready: true, checks: [] }),
    events: () => ({ events: [], startedAt: 0, dropped: 0 }),
    auditHead: async () => ({
      ...({ mode: "off", path: "/audit.log", n: 0, first: 0, hash: "", waiting: 0 } as const),
    }),
    shutdown: () => void shutdowns++,
  });
  const handlers = compose([callerInterceptor(access, approvals, registry)], all);
  return { handlers, engine, issuer, subscriptions, shutdowns: () => shutdowns };
}

test("initialize names every method of the contract", async (t) => {
  const { handlers } = await setup(t);
  const told = await handlers.initialize({}, new FakeCall());
  t.is(told.protocolVersion, 1);
  t.deepEqual(told.capabilities, {});
  t.deepEqual(told.methods, Object.keys(params));
  t.deepEqual(Object.keys(withUploads(handlers)).sort(), Object.keys(params).sort());
});

test("getToken answers a warm token without a promise and without a signal, the same object each time", async (t) => {
  const { handlers } = await setup(t);
  const cold = await handlers.getToken({ credential: "demo" }, new FakeCall());
  const call = new FakeCall();
  const warm = handlers.getToken({ credential: "demo" }, call);
  t.false(warm instanceof Promise);
  t.is(warm, cold);
  t.true(Object.isFrozen(warm));
  t.is(call.controller, undefined);
  t.deepEqual((warm as GetTokenResult).headers, { authorization: "Bearer token-1" });
});

test("getToken takes minValidity in seconds", async (t) => {
  const { handlers, engine } = await setup(t);
  await handlers.getToken({ credential: "demo" }, new FakeCall());
  engine.clock.advance(301_000);
  const enough = await handlers.getToken({ credential: "demo", minValidity: 299 }, new FakeCall());
  t.is(enough.accessToken, "token-1");
  const more = await handlers.getToken({ credential: "demo", minValidity: 300 }, new FakeCall());
  t.is(more.accessToken, "token-2");
});

test("getToken ends with its call, or after its own time", async (t) => {
  const { handlers, engine, issuer } = await setup(t);
  issuer.answer(new HeldAnswers().answer);
  const call = new FakeCall();
  const cancelled = handlers.getToken({ credential: "demo" }, call) as Promise<unknown>;
  await until(() => issuer.requests.length === 1);
  call.controller?.abort();
  t.is(((await cancelled.catch((e) => e)) as AuthdError).reason, "cancelled");
  const given = { credential: "demo", timeoutMs: 3_000 };
  const late = handlers.getToken(given, new FakeCall()) as Promise<unknown>;
  const outcome = late.catch((e) => e);
  engine.clock.advance(3_000);
  t.is(((await outcome) as AuthdError).reason, "timeout");
});

test("an unknown credential is unknown to every method that takes one", async (t) => {
  const { handlers } = await setup(t);
  const credential = "nobody";
  const asked = [
    () => handlers.getToken({ credential }, new FakeCall()),
    () => handlers.authorizedRequest({ credential, url: "https://a.example/" }, new FakeCall()),
    () => handlers["credentials/set"]({ credential }, new FakeCall()),
    () => handlers["credentials/trust"]({ credential }, new FakeCall()),
    () => handlers["credentials/refresh"]({ credential }, new FakeCall()),
    () => handlers["credentials/show"]({ credential }, new FakeCall()),
    () => handlers["credentials/test"]({ credential }, new FakeCall()),
    () => handlers["credentials/remove"]({ credential }, new FakeCall()),
    () => handlers.subscribe({ credential }, new FakeCall()),
  ];
  for (const ask of asked) {
    const error = await t.throwsAsync(async () => void (await ask()), { instanceOf: AuthdError });
    t.is(error?.reason, "unknown_credential");
  }
});

test("subscribe and unsubscribe, list, remove, status and shutdown", async (t) => {
  const { handlers, engine, subscriptions, shutdowns } = await setup(t);
  const call = new FakeCall();
  handlers.subscribe({ credential: "demo" }, call);
  subscriptions.publish({ kind: "refreshed", credential: "demo", expiresAt: null });
  handlers.unsubscribe({}, call);
  subscriptions.publish({ kind: "refreshed", credential: "demo", expiresAt: null });
  t.deepEqual(call.told, [["token/refreshed", { credential: "demo", expiresAt: null }]]);
  // As clients get it: a list exists as JSON only.
  const list = createSerializer()(await handlers["credentials/list"]({}, call));
  const { credentials } = JSON.parse(Buffer.concat(list.encoded?.pieces ?? []).toString());
  t.deepEqual(
    credentials.map(({ name }: { name: string }) => name),
    ["demo"],
  );
  t.deepEqual(await handlers["credentials/remove"]({ credential: "demo" }, call), {});
  t.is(engine.registry.size, 0);
  t.is((await handlers.status({}, call)).pid, 7);
  t.deepEqual(await handlers.shutdown({}, call), {});
  t.deepEqual([call.left, shutdowns()], [true, 0]);
  t.deepEqual(await handlers.shutdown({ daemon: true }, call), {});
  t.is(shutdowns(), 1);
});

test("only the daemon's own user and root end it", async (t) => {
  const { handlers, shutdowns } = await setup(t);
  const call = new FakeCall();
  const uid = (process.geteuid?.() ?? 0) + 1;
  Object.assign(call, { peer: { uid, gid: uid, pid: 4711, connectedAt: 0 } });
  const error = t.throws(() => handlers.shutdown({ daemon: true }, call)) as AuthdError;
  t.is(error.reason, "caller_not_allowed");
  t.deepEqual(await handlers.shutdown({ daemon: false }, call), {});
  t.deepEqual([call.left, shutdowns()], [true, 0]);
});

test("another user that no rule names may ask for nothing but the daemon itself", async (t) => {
  const { handlers } = await setup(t);
  const uid = (process.geteuid?.() ?? 0) + 1;
  const peer = { uid, gid: uid, pid: 4711, connectedAt: 0 };
  const given = { credential: "demo", name: "other", daemon: true, approvals: true };
  const allowed: string[] = [];
  for (const [method, handler] of Object.entries(handlers)) {
    const ask = async () =>
      await (handler as (given: object, call: Call) => unknown)(
        given,
        Object.assign(new FakeCall(), { peer }),
      );
    const outcome = await ask().then(
      () => "ok",
      ({ reason }: AuthdError) => reason,
    );
    if (outcome !== "caller_not_allowed") allowed.push(method);
  }
  t.deepEqual(allowed, ["initialize", "credentials/list", "status"]);
});

test("lists that one other user waits for are few, and the daemon's own user does not wait behind them", async (t) => {
  const { handlers } = await setup(t);
  const uid = (process.geteuid?.() ?? 0) + 1;
  const done: string[] = [];
  const ask = async (who: string, call: FakeCall) => {
    try {
      await handlers["credentials/list"]({}, call);
      done.push(who);
    } catch (error) {
      done.push((error as AuthdError).reason);
    }
  };
  const guest = Object.assign(new FakeCall(), {
    peer: { uid, gid: uid, pid: 4711, connectedAt: 0 },
  });
  const asked = Array.from({ length: 6 }, () => ask("guest", guest));
  await Promise.all([...asked, ask("own", new FakeCall())]);
  t.deepEqual(done.toSorted(), ["guest", "guest", "guest", "guest", "own", "too_busy", "too_busy"]);
  t.true(done.indexOf("own") < done.lastIndexOf("guest"));
  await ask("again", guest);
  t.is(done.at(-1), "again");
});

test("a streamed answer goes out as notifications that name the request", async (t) => {
  const { handlers, engine, issuer } = await setup(t);
  const file = { grant: "static", origins: [issuer.origin] };
  await engine.add("fixed", file, { token: "fixed" });
  issuer.answer({ body: "hello" });
  const call = new FakeCall();
  const url = `${issuer.origin}/x`;
  const given = { credential: "fixed", url, stream: true, streamToken: "mine" };
  const result = await handlers.authorizedRequest(given, call);
  t.is(result.body, undefined);
  const [head, chunk] = call.told as [string, Record<string, unknown>][];
  t.is(head?.[0], "response/head");
  t.like(head?.[1], { id: 1, streamToken: "mine" });
  t.is(head?.[1].status, 200);
  const data = Buffer.from("hello").toString("base64");
  t.deepEqual(chunk, ["response/chunk", { id: 1, seq: 0, data, streamToken: "mine" }]);
  t.like(result, { bytes: 5, chunks: 1 });
});
