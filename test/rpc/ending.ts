/** How a connection ends: by `shutdown` and `exit`, or with the daemon. Everything asked is answered. */
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import {
  createMessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import type { Handlers } from "../../src/rpc/call.ts";
import { frame } from "../../src/rpc/frame-parser.ts";
import { ResponseStream } from "../../src/rpc/response-stream.ts";
import { until } from "../helpers/until.ts";
import { RawClient, startWire, tokenFor } from "../helpers/wire.ts";

const params = { credential: "demo" };
const never = () => new Promise<never>(() => {});

const shutdown: Handlers["shutdown"] = (_, { connection }) => {
  connection.leave();
  return {};
};

/** A stream that sends one chunk and then waits. */
const half: Handlers["authorizedRequest"] = async ({ url }, call) => {
  const stream = new ResponseStream(call);
  await stream.head({ status: 200, statusText: "OK", headers: {}, url });
  await stream.chunk(Buffer.from("half"));
  return never();
};

for (const framing of ["lines", "base"] as const) {
  test(`${framing}: what is in flight when the server ends is answered before the connection closes`, async (t) => {
    const signals: { readonly aborted: boolean; readonly reason: unknown }[] = [];
    const { path, server } = await startWire(t, {
      getToken: (_, { signal }) => {
        signals.push(signal);
        return never();
      },
      status: never,
      authorizedRequest: half,
    });
    const [client, other] = await Promise.all([
      RawClient.open(t, path, framing),
      RawClient.open(t, path, framing),
    ]);
    const request = { ...params, url: "https://api.example/", stream: true };
    client.request(1, "authorizedRequest", request);
    t.deepEqual(
      (await client.take(2)).map(({ method }) => method),
      ["response/head", "response/chunk"],
    );
    client.request("two", "getToken", params);
    other.request(1, "status");
    // Half-closed clients, too.
    other.socket.end();
    await until(() => signals.length >= 1);
    await Promise.all([server.close(200), client.closed]);
    const answers = [...(await client.take(2)), await other.next()];
    t.deepEqual(answers.map((answer) => answer?.id).sort(), [1, 1, "two"]);
    for (const answer of answers) {
      t.is(answer?.error?.code, 1);
      t.is(answer?.error?.data.reason, "shutting_down");
      t.true((answer?.error?.data.retryAfterMs ?? 0) > 0);
    }
    t.is(await client.next(), undefined);
    t.is(await other.next(), undefined);
    t.like(signals[0]?.reason, { reason: "shutting_down" });
  });
}

test("requests that waited for a slow reader are answered when the server ends, too", async (t) => {
  const { path, server } = await startWire(t, {
    getToken: ({ credential }) => tokenFor(credential.repeat(100_000)),
  });
  const client = await RawClient.open(t, path);
  client.socket.pause();
  for (let id = 0; id < 100; id++) client.request(id, "getToken", params);
  await sleep(100);
  const closing = server.close(10_000);
  client.socket.resume();
  const answers = await client.take(100);
  t.is(new Set(answers.map(({ id }) => id)).size, 100);
  const refused = answers.filter(({ error }) => error);
  t.true(refused.length > 0 && refused.length < 100, `${refused.length} were refused`);
  t.true(refused.every(({ error }) => error?.data.reason === "shutting_down"));
  await closing;
});

test("shutdown ends its own connection: not before all is answered, and no other", async (t) => {
  let release = () => {};
  const { path, server } = await startWire(t, {
    shutdown,
    getToken: async ({ credential }) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return tokenFor(credential);
    },
    status: () => ({ pid: 7 }) as never,
  });
  const [client, other] = await Promise.all([RawClient.open(t, path), RawClient.open(t, path)]);
  client.request(1, "getToken", params);
  client.request(2, "shutdown", null);
  t.deepEqual(await client.next(), { jsonrpc: "2.0", id: 2, result: {} } as never);
  client.request(3, "status");
  t.like(await client.next(), { id: 3, error: { code: -32600 } });
  client.send({ jsonrpc: "2.0", method: "exit" });
  client.request(4, "status");
  release();
  t.is((await client.next())?.id, 1);
  t.is(await client.next(), undefined);
  other.request(5, "status");
  t.is((await other.next())?.id, 5);
  await until(() => server.connections <= 1);
  t.pass();
});

test("after shutdown without exit the connection ends by itself", async (t) => {
  const { path, server } = await startWire(t, { shutdown });
  const client = await RawClient.open(t, path);
  client.request(1, "shutdown");
  t.deepEqual((await client.next())?.result, {});
  t.is(await client.next(), undefined);
  await until(() => server.connections === 0);
  t.pass();
});

test("exit alone, and shutdown and exit in one write, end the connection behind the answers", async (t) => {
  const { path } = await startWire(t, { shutdown });
  const exit = '{"jsonrpc":"2.0","method":"exit","params":null}';
  const request = (id: number, method: string) =>
    JSON.stringify({ jsonrpc: "2.0", id, method, params });
  for (const [messages, ids] of [
    [[exit], []],
    [[request(1, "getToken"), exit, request(2, "getToken")], [1]],
    [[request(1, "shutdown"), exit], [1]],
  ] as const) {
    const client = await RawClient.open(t, path, "base");
    client.socket.write(messages.map((json) => frame("base", json, json.length)).join(""));
    const seen: unknown[] = [];
    for (let next = await client.next(); next; next = await client.next()) seen.push(next.id);
    t.deepEqual(seen, ids);
  }
});

test("a client of the Language Server Protocol starts and stops without an error", async (t) => {
  const initialize = () => ({ serverName: "authd", capabilities: {} }) as never;
  const { path, server } = await startWire(t, { shutdown, initialize });
  const { socket } = await RawClient.open(t, path, "base");
  const rpc = createMessageConnection(
    new SocketMessageReader(socket),
    new SocketMessageWriter(socket),
  );
  const errors: unknown[] = [];
  rpc.onError((error) => errors.push(error));
  rpc.listen();
  const { capabilities } = await rpc.sendRequest<{ capabilities: object }>("initialize", {
    ...{ processId: process.pid, rootUri: null, capabilities: {}, workspaceFolders: null },
    clientInfo: { name: "an editor" },
  });
  t.deepEqual(capabilities, {});
  await rpc.sendNotification("initialized", {});
  t.deepEqual(await rpc.sendRequest("shutdown"), {});
  await rpc.sendNotification("exit");
  await until(() => server.connections === 0);
  rpc.dispose();
  t.deepEqual(errors, []);
});
