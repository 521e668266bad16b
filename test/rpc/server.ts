import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import type { StatusResult } from "../../src/protocol.ts";
import type { Call } from "../../src/rpc/call.ts";
import { until } from "../helpers/until.ts";
import { RawClient, startWire, tokenFor } from "../helpers/wire.ts";

const params = { credential: "demo" };
/** Resolved from outside. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
const never = () => new Promise<never>(() => {});

test("an unknown method is -32601", async (t) => {
  const { path } = await startWire(t);
  const client = await RawClient.open(t, path);
  for (const name of ["nonsense", "toString", "__proto__", "$/x"]) {
    client.request(1, name);
    t.is((await client.next())?.error?.code, -32601, name);
  }
});

test("absent params mean {}, unknown members are ignored", async (t) => {
  const seen: unknown[] = [];
  const { path } = await startWire(t, {
    initialize: (given) => {
      seen.push(given);
      return {
        serverName: "authd",
        serverVersion: "0",
        protocolVersion: 1,
        methods: [],
        capabilities: {},
      };
    },
  });
  const client = await RawClient.open(t, path);
  client.request(1, "initialize");
  client.request(2, "initialize", { clientName: "x", more: 1 });
  await client.take(2);
  t.deepEqual(seen, [{}, { clientName: "x" }]);
});

test("a validation error names the member and what was expected, never a value", async (t) => {
  const { path } = await startWire(t);
  const client = await RawClient.open(t, path);
  client.request(1, "credentials/add", { name: "n", secrets: { client_secret: 987654321 } });
  client.request(2, "getToken", {});
  const [add, get] = await client.take(2);
  t.is(add?.error?.code, -32602);
  t.is(add?.error?.data.reason, "invalid_params");
  t.regex(add?.error?.message ?? "", /secrets\.client_secret: expected string/);
  t.notRegex(add?.error?.message ?? "", /987654321/);
  t.regex(get?.error?.message ?? "", /credential: expected string/);
});

test("an AuthdError travels with its reason and details", async (t) => {
  const oauth = { error: "invalid_client", status: 401 };
  const { path } = await startWire(t, {
    getToken: ({ credential }) => {
      throw new AuthdError("issuer_unavailable", "no", { credential, retryAfterMs: 5, oauth });
    },
    status: async () => {
      throw new AuthdError("invalid_params", "no such thing");
    },
  });
  const client = await RawClient.open(t, path);
  client.request(1, "getToken", params);
  client.request(2, "status");
  const answers = await client.take(2);
  const byId = new Map(answers.map(({ id, error }) => [id, error]));
  const data = { reason: "issuer_unavailable", credential: "demo", retryAfterMs: 5, oauth };
  t.deepEqual(byId.get(1), { code: 1, message: "no", data });
  t.is(byId.get(2)?.code, -32602);
});

test("what goes wrong inside is told to nobody and logged without its message", async (t) => {
  const { path, log } = await startWire(t, {
    getToken: () => JSON.parse("hush-hush"),
    status: async () => {
      throw new Error("hush-hush");
    },
    reload: () => Promise.reject("hush-hush"),
  });
  const client = await RawClient.open(t, path);
  for (const [id, name] of ["getToken", "status", "reload"].entries()) {
    client.request(id, name, params);
    const answer = await client.next();
    t.is(answer?.error?.code, 1);
    t.is(answer?.error?.data.reason, "internal");
  }
  t.is(log.length, 3);
  t.notRegex(client.received + log.join(), /hush/);
  t.regex(log[0] ?? "", /SyntaxError.*server/);
});

test("what the daemon itself has put into words is told: a full disk, too", async (t) => {
  const { path, log } = await startWire(t, {
    reload: () => {
      const cause = new Error("hush-hush");
      throw new AuthdError("internal", "demo: the disk is full", { credential: "demo", cause });
    },
  });
  const client = await RawClient.open(t, path);
  client.request(1, "reload");
  const error = (await client.next())?.error;
  t.is(error?.message, "demo: the disk is full");
  t.deepEqual(error?.data, { reason: "internal", credential: "demo" } as object);
  t.regex(log.join(), /the disk is full/);
  t.notRegex(client.received + log.join(), /hush/);
});

test("$/cancelRequest is answered at once, whether or not the handler cares", async (t) => {
  const started = deferred<Call>();
  const { path, log } = await startWire(t, {
    getToken: (_, call) => {
      started.resolve(call);
      return never();
    },
    status: (_, { signal }) =>
      new Promise<StatusResult>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  });
  const client = await RawClient.open(t, path);
  client.request("a", "getToken", params);
  client.request("b", "status");
  const { signal } = await started.promise;
  for (const id of ["a", "b"]) {
    client.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
    const answer = await client.next();
    t.is(answer?.id, id);
    t.is(answer?.error?.code, -32800);
    t.is(answer?.error?.data.reason, "cancelled");
  }
  t.true(signal.aborted);
  t.deepEqual(log, []);
});

test("a request that is cancelled in the same write never reaches its handler", async (t) => {
  let calls = 0;
  const { path } = await startWire(t, {
    getToken: () => {
      calls++;
      return tokenFor("x");
    },
  });
  const client = await RawClient.open(t, path);
  client.socket.cork();
  client.request(1, "getToken", params);
  client.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
  client.socket.uncork();
  t.is((await client.next())?.error?.code, -32800);
  t.is(calls, 0);
});

for (const how of ["destroy", "half-close and destroy"] as const) {
  test(`a client that is gone aborts its calls (${how})`, async (t) => {
    const started = deferred<Call>();
    const { path, server } = await startWire(t, {
      getToken: (_, call) => {
        started.resolve(call);
        return never();
      },
    });
    const client = await RawClient.open(t, path);
    client.request(1, "getToken", params);
    const { signal, connection, notify } = await started.promise;
    const closed = deferred<void>();
    connection.onClose(closed.resolve);
    t.false(signal.aborted);
    if (how !== "destroy") client.socket.end();
    client.socket.destroy();
    await closed.promise;
    t.true(signal.aborted);
    t.true(connection.closed);
    t.is(server.connections, 0);
    t.is(typeof notify, "function");
  });
}

test("a half-closed client that leaves later is noticed", async (t) => {
  const started = deferred<Call>();
  const { path } = await startWire(t, {
    getToken: (_, call) => {
      started.resolve(call);
      return never();
    },
  });
  const client = await RawClient.open(t, path);
  client.request(1, "getToken", params);
  client.socket.end();
  const { signal } = await started.promise;
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.false(signal.aborted);
  client.socket.destroy();
  await new Promise<void>((resolve) => signal.addEventListener("abort", resolve));
  t.pass();
});

test("notify waits for a slow reader, and rejects when it is gone", async (t) => {
  const data = Buffer.alloc(64 * 1024).toString("base64");
  let told = 0;
  const ended = deferred<unknown>();
  const { path } = await startWire(t, {
    subscribe: (_, call) => {
      const tell = async () => {
        for (;;) {
          await call.notify("response/chunk", { id: call.id, seq: told, data });
          told++;
        }
      };
      tell().catch(ended.resolve);
      return {};
    },
  });
  const client = await RawClient.open(t, path);
  client.socket.pause();
  client.request(1, "subscribe");
  // As many as fit into the system's buffers and ours, then no more.
  let before = -1;
  while (told === 0 || told !== before) {
    before = told;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.true(told < 50);
  client.socket.resume();
  while (told <= before + 50) await client.next();
  client.socket.destroy();
  t.is(((await ended.promise) as AuthdError).reason, "cancelled");
});

test("more requests in flight than allowed are too_busy", async (t) => {
  const { path } = await startWire(t, { getToken: never }, { limits: { inFlight: 2 } });
  const client = await RawClient.open(t, path);
  for (const id of [1, 2, 3]) client.request(id, "getToken", params);
  const answer = await client.next();
  t.is(answer?.id, 3);
  t.is(answer?.error?.data.reason, "too_busy");
  t.true((answer?.error?.data.retryAfterMs ?? 0) > 0);
});

test("more bytes in flight than allowed are too_busy", async (t) => {
  const { path } = await startWire(t, { getToken: never }, { limits: { inFlightBytes: 1000 } });
  const client = await RawClient.open(t, path);
  for (const id of [1, 2]) client.request(id, "getToken", { credential: "x".repeat(600) });
  const answer = await client.next();
  t.is(answer?.id, 2);
  t.is(answer?.error?.data.reason, "too_busy");
});

test("a connection too many is told so and closed; the others go on", async (t) => {
  const { path } = await startWire(t, {}, { limits: { connections: 2 } });
  const first = await RawClient.open(t, path);
  await RawClient.open(t, path);
  const third = await RawClient.open(t, path);
  const answer = await third.next();
  t.is(answer?.id, null);
  t.is(answer?.error?.data.reason, "too_busy");
  await third.closed;
  first.request(1, "getToken", params);
  t.is((await first.next())?.id, 1);
});

test("a peer that may not connect is dropped before a byte is read", async (t) => {
  let calls = 0;
  const { path, log } = await startWire(
    t,
    {
      getToken: () => {
        calls++;
        return tokenFor("x");
      },
    },
    {
      authorize: () => {
        throw new AuthdError("caller_not_allowed", "not you");
      },
    },
  );
  const client = await RawClient.open(t, path);
  client.request(1, "getToken", params);
  t.is(await client.next(), undefined);
  t.is(calls, 0);
  t.regex(log.join(), /caller_not_allowed.*not you/);
});

test("a handler learns who calls", async (t) => {
  const peers: unknown[] = [];
  const peer = { uid: 1000, pid: 42, connectedAt: 0 };
  const note = (_: unknown, call: Call) => {
    peers.push(call.peer, call.id);
    return tokenFor("x");
  };
  const { path } = await startWire(t, { getToken: note }, { authorize: () => peer });
  const client = await RawClient.open(t, path);
  client.request("an id", "getToken", params);
  await client.next();
  t.deepEqual(peers, [peer, "an id"]);
});

test("a reader that takes nothing is not read from, then dropped; others notice nothing", async (t) => {
  const big = Object.freeze({ ...tokenFor("x"), accessToken: "x".repeat(100_000) });
  const limits = { highWaterBytes: 200_000, stallTimeoutMs: 100 };
  const { path, server } = await startWire(t, { getToken: () => big }, { limits });
  const slow = await RawClient.open(t, path);
  slow.socket.pause();
  for (let id = 0; id < 100; id++) slow.request(id, "getToken", params);
  const other = await RawClient.open(t, path);
  other.request(1, "getToken", params);
  t.is((await other.next())?.id, 1);
  await until(() => server.connections <= 1);
  other.request(2, "getToken", params);
  t.is((await other.next())?.id, 2);
});

test("many large answers at once reach a reader that takes them, small ones of others are not held up", async (t) => {
  const big = "x".repeat(2_000_000);
  const limits = { maxBufferedBytes: 8_000_000 };
  const { path } = await startWire(
    t,
    { getToken: async ({ credential }) => tokenFor(credential + big) },
    { limits },
  );
  const client = await RawClient.open(t, path);
  for (let id = 0; id < 40; id++) client.request(id, "getToken", { credential: `${id}-` });
  const other = await RawClient.open(t, path);
  other.request(1, "getToken", { credential: "other" });
  t.is((await other.next())?.id, 1);
  const answers = await client.take(40);
  for (const { id, result } of answers) t.is(result?.accessToken, `${id}-${big}`);
});

test("what a reader would not take is not made: its requests wait, and can be cancelled", async (t) => {
  const text = "x".repeat(2_500_000);
  let calls = 0;
  const getToken = () => {
    calls++;
    return tokenFor(text);
  };
  const { path, server } = await startWire(t, { getToken });
  const slow = await RawClient.open(t, path);
  slow.socket.pause();
  slow.socket.cork();
  for (let id = 0; id < 15; id++) slow.request(id, "getToken", params);
  slow.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 10 } });
  slow.socket.uncork();
  const other = await RawClient.open(t, path);
  await until(() => calls !== 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  other.request(1, "getToken", params);
  t.is((await other.next())?.id, 1);
  t.true(calls <= 3, `${calls} answers were made`);
  slow.socket.resume();
  const answers = await slow.take(15);
  const whole = answers.filter(({ result }) => result?.accessToken === text);
  t.is(whole.length, 14);
  t.is(answers.find(({ id }) => id === 10)?.error?.code, -32800);
  t.is(calls, 15);
  other.socket.destroy();
  slow.socket.destroy();
  await until(() => server.connections === 0);
  t.is(server.memoryBudget.requestBytes, 0);
});

test("of a reader that takes nothing, waiting requests are given up with it", async (t) => {
  let calls = 0;
  const getToken = () => {
    calls++;
    return tokenFor("x".repeat(4_000_000));
  };
  const { path, server } = await startWire(t, { getToken }, { limits: { stallTimeoutMs: 200 } });
  const deaf = await RawClient.open(t, path);
  deaf.socket.pause();
  for (let id = 0; id < 100; id++) deaf.request(id, "getToken", params);
  await until(() => server.connections === 0);
  t.true(calls <= 2, `${calls} answers were made`);
  t.is(server.memoryBudget.requestBytes, 0);
});

test("a slow reader that catches up gets everything", async (t) => {
  const big = Object.freeze({ ...tokenFor("x"), accessToken: "x".repeat(100_000) });
  const { path } = await startWire(
    t,
    { getToken: () => big },
    { limits: { highWaterBytes: 200_000 } },
  );
  const slow = await RawClient.open(t, path);
  slow.socket.pause();
  for (let id = 0; id < 50; id++) slow.request(id, "getToken", params);
  await new Promise((resolve) => setTimeout(resolve, 100));
  slow.socket.resume();
  t.is((await slow.take(50)).filter(({ result }) => result).length, 50);
});

test("a result that changes is not served from memory, a frozen one may be", async (t) => {
  const changing = { ...tokenFor("x"), expiresAt: 0 };
  const { path } = await startWire(t, {
    getToken: () => {
      changing.expiresAt++;
      return changing;
    },
  });
  const client = await RawClient.open(t, path);
  for (const id of [1, 2, 3]) {
    client.request(id, "getToken", params);
    t.is((await client.next())?.result?.expiresAt, id);
  }
});

for (const framing of ["lines", "base"] as const) {
  test(`${framing}: a long result that is kept arrives whole with each answer`, async (t) => {
    const kept = Object.freeze(tokenFor("å".repeat(100_000)));
    const { path } = await startWire(t, { getToken: () => kept });
    const client = await RawClient.open(t, path, framing);
    const ids = [1, "zwei", "日本", 4];
    for (const id of ids) client.request(id, "getToken", params);
    const answers = await client.take(ids.length);
    t.deepEqual(answers.map(({ id }) => id).sort(), ids.toSorted());
    for (const { result } of answers) t.deepEqual(result as unknown, kept);
  });
}

test("close answers what is in flight, refuses what is new, and ends", async (t) => {
  const started = deferred<void>();
  const gate = deferred<void>();
  const { path, server } = await startWire(t, {
    getToken: async ({ credential }) => {
      started.resolve();
      await gate.promise;
      return tokenFor(credential);
    },
  });
  const client = await RawClient.open(t, path);
  const idle = await RawClient.open(t, path);
  client.request(1, "getToken", params);
  await started.promise;
  const closing = server.close(10_000);
  idle.request(2, "getToken", params);
  t.is((await idle.next())?.error?.data.reason, "shutting_down");
  gate.resolve();
  t.is((await client.next())?.result?.accessToken, "demo");
  await closing;
  await client.closed;
  t.is(server.connections, 0);
});

test("close waits for nobody longer than its grace", async (t) => {
  const started = deferred<void>();
  const { path, server } = await startWire(t, {
    getToken: () => {
      started.resolve();
      return never();
    },
  });
  const client = await RawClient.open(t, path);
  client.request(1, "getToken", params);
  await started.promise;
  await server.close(50);
  await client.closed;
  t.pass();
});
