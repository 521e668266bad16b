import { randomBytes } from "node:crypto";
import { lchownSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { AuthdError, type Client, connect, NoDaemonError } from "../src/client.ts";
import type { AuthorizedResponse, ParamsOf } from "../src/protocol.ts";
import type { Call, Handlers } from "../src/rpc/call.ts";
import { ResponseStream } from "../src/rpc/response-stream.ts";
import { start as startProgram } from "./helpers/child.ts";
import { temporaryFolder } from "./helpers/folder.ts";
import { asRoot } from "./helpers/optional.ts";
import { until } from "./helpers/until.ts";
import { startWire, tokenFor } from "./helpers/wire.ts";

const CLIENT = new URL("../src/client.js", import.meta.url).href;

function clientOf(t: ExecutionContext, socket: string): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

async function start(t: ExecutionContext, handlers: Partial<Handlers> = {}) {
  const wire = await startWire(t, handlers);
  return { ...wire, client: clientOf(t, wire.path) };
}

const ok: AuthorizedResponse = {
  status: 200,
  statusText: "OK",
  url: "https://api.example/x",
  headers: {},
  body: "fine",
  refreshed: false,
};

/** Answers once, then breaks every connection; a second server takes over at the same path. */
async function restart(t: ExecutionContext, handlers: Partial<Handlers>, breaking: () => void) {
  const path = join(temporaryFolder(t), "authd.sock");
  const connections: net.Socket[] = [];
  const first = net.createServer((socket) => {
    connections.push(socket);
    socket.on("error", () => {});
    socket.once("data", async () => {
      breaking();
      first.close();
      await startWire(t, handlers, { path });
      for (const connection of connections) connection.destroy();
    });
  });
  await new Promise<void>((resolve) => first.listen(path, resolve));
  return clientOf(t, path);
}

test("getToken returns the token and its headers", async (t) => {
  const { client } = await start(t);
  const { accessToken, headers } = await client.getToken({ credential: "labelf" });
  t.is(accessToken, "labelf");
  t.deepEqual(headers, { authorization: "Bearer labelf" });
});

test("calls at the same time each get their own answer, over one connection", async (t) => {
  const { client, server } = await start(t, {
    getToken: async ({ credential }) => {
      await new Promise((resolve) => setTimeout(resolve, Number(credential) % 7));
      return tokenFor(credential);
    },
  });
  const names = Array.from({ length: 50 }, (_, i) => String(i));
  const tokens = await Promise.all(names.map((credential) => client.getToken({ credential })));
  t.deepEqual(
    tokens.map(({ accessToken }) => accessToken),
    names,
  );
  t.is(server.connections, 1);
});

test("an error is an AuthdError with the daemon's reason and details", async (t) => {
  const { client } = await start(t, {
    getToken: () => {
      throw new AuthdError("issuer_unavailable", "the issuer is away", {
        credential: "demo",
        retryAfterMs: 1500,
      });
    },
  });
  const error = await t.throwsAsync(client.getToken({ credential: "demo" }), {
    instanceOf: AuthdError,
    message: "the issuer is away",
  });
  t.is(error?.reason, "issuer_unavailable");
  t.is(error?.retryAfterMs, 1500);
  t.is(error?.credential, "demo");
});

test("params of the wrong type are invalid_params", async (t) => {
  const { client } = await start(t);
  const wrong = client.request("getToken", { credential: 5 as unknown as string });
  t.is((await t.throwsAsync(wrong, { instanceOf: AuthdError }))?.reason, "invalid_params");
});

test("params that are no JSON are invalid_params", async (t) => {
  const { client } = await start(t);
  const circle: { credential: string; of?: unknown } = { credential: "x" };
  circle.of = circle;
  for (const params of [circle, { credential: "x", minValidity: 1n as unknown as number }]) {
    const error = await t.throwsAsync(client.getToken(params), { instanceOf: AuthdError });
    t.is(error?.reason, "invalid_params");
  }
});

test("without a daemon every call says so, until there is one", async (t) => {
  const path = join(temporaryFolder(t), "authd.sock");
  const client = clientOf(t, path);
  const error = await t.throwsAsync(client.getToken({ credential: "x" }), {
    instanceOf: NoDaemonError,
  });
  t.is(error?.code, "no_daemon");
  t.is(error?.reason, "no_daemon");
  t.true(error instanceof AuthdError);
  t.regex(error?.message ?? "", /No daemon answers.*ENOENT.*authd serve/);
  await startWire(t, {}, { path });
  t.is((await client.getToken({ credential: "x" })).accessToken, "x");
});

test("what is not a socket is no daemon", async (t) => {
  const path = join(temporaryFolder(t), "authd.sock");
  writeFileSync(path, "");
  await t.throwsAsync(clientOf(t, path).getToken({ credential: "x" }), {
    instanceOf: NoDaemonError,
    message: /is not a socket/,
  });
});

asRoot("nothing is sent to a socket that is another user's", async (t) => {
  const { client, path, server } = await start(t);
  lchownSync(path, 65534, 65534);
  await t.throwsAsync(client.getToken({ credential: "x" }), {
    instanceOf: NoDaemonError,
    message: /belongs to user 65534/,
  });
  t.is(server.connections, 0);
});

test("a lost connection is opened again with the next call", async (t) => {
  const { client, path, server } = await start(t);
  await client.getToken({ credential: "x" });
  await server.close(0);
  await startWire(t, {}, { path });
  t.is((await client.getToken({ credential: "y" })).accessToken, "y");
});

test("getToken that was in flight when the connection broke is repeated", async (t) => {
  let broken = 0;
  const client = await restart(t, {}, () => broken++);
  t.is((await client.getToken({ credential: "x" })).accessToken, "x");
  t.is(broken, 1);
});

test("an authorizedRequest with GET is repeated, with POST it is not", async (t) => {
  const params = { credential: "x", url: "https://api.example/x" };
  const handlers = { authorizedRequest: () => ok };
  const get = await restart(t, handlers, () => {});
  t.is((await get.authorizedRequest(params)).body, "fine");
  const post = await restart(t, handlers, () => {});
  const error = await t.throwsAsync(post.authorizedRequest({ ...params, method: "POST" }), {
    instanceOf: AuthdError,
  });
  t.is(error?.reason, "request_failed");
});

test("an aborted call is cancelled at the daemon, too", async (t) => {
  let call: Call | undefined;
  const controller = new AbortController();
  const { client } = await start(t, {
    authorizedRequest: (_, given) => {
      call = given;
      given.signal.addEventListener("abort", () => {});
      controller.abort(new Error("enough"));
      return new Promise(() => {});
    },
  });
  const error = await t.throwsAsync(
    client.authorizedRequest({ credential: "x", url: "x" }, { signal: controller.signal }),
    { instanceOf: AuthdError },
  );
  t.is(error?.reason, "cancelled");
  t.is(error?.cause, controller.signal.reason);
  await until(() => call?.signal.aborted);
  t.is(
    (
      await t.throwsAsync(client.getToken({ credential: "x" }, controller), {
        instanceOf: AuthdError,
      })
    )?.reason,
    "cancelled",
  );
});

test("a request that is too large is refused before it is sent", async (t) => {
  const { client } = await start(t);
  const error = await t.throwsAsync(client.getToken({ credential: "x".repeat(9_000_000) }), {
    instanceOf: AuthdError,
  });
  t.is(error?.reason, "request_too_large");
  t.is((await client.getToken({ credential: "x" })).accessToken, "x");
});

test("a daemon that is full says so", async (t) => {
  const { path } = await startWire(t, {}, { limits: { connections: 1 } });
  await clientOf(t, path).getToken({ credential: "x" });
  const error = await t.throwsAsync(clientOf(t, path).getToken({ credential: "x" }), {
    instanceOf: AuthdError,
  });
  t.is(error?.reason, "too_busy");
  t.true((error?.retryAfterMs ?? 0) > 0);
});

test("notifications come after subscribe, also when the daemon was restarted", async (t) => {
  const subscribe = (_: unknown, call: Call) => {
    setImmediate(() => call.notify("token/refreshed", { credential: "x", expiresAt: 5 }));
    return {};
  };
  const { client, path, server } = await start(t, { subscribe });
  let heard = () => {};
  const next = () =>
    new Promise<void>((resolve) => {
      heard = resolve;
    });
  const stop = client.onNotification("token/refreshed", ({ expiresAt }) => {
    t.is(expiresAt, 5);
    heard();
  });
  let told = next();
  await client.subscribe();
  await told;
  await server.close(0);
  told = next();
  await startWire(t, { subscribe }, { path });
  await told;
  stop();
});

test("a closed client refuses", async (t) => {
  const { client } = await start(t, { getToken: () => new Promise(() => {}) });
  const waiting = client.getToken({ credential: "x" });
  setTimeout(() => client.close(), 20);
  for (const call of [waiting, client.getToken({ credential: "y" })]) {
    t.is((await t.throwsAsync(call, { instanceOf: AuthdError }))?.reason, "cancelled");
  }
});

test("a script that has its token ends by itself", async (t) => {
  const { path } = await start(t);
  const script = `
    import { connect } from ${JSON.stringify(CLIENT)};
    console.log((await connect().getToken({ credential: "x" })).accessToken);`;
  const args = ["--input-type=module", "-e", script];
  const env = { ...process.env, AUTHD_SOCKET: path };
  const { ended } = startProgram(t, process.execPath, args, { env });
  const { stdout, code } = await ended;
  t.is(stdout, "x\n");
  t.is(code, 0);
});

/** The daemon's side of a streamed answer. */
function streaming(
  chunks: Buffer[],
  head: { status?: number; headers?: AuthorizedResponse["headers"] },
) {
  const seen: ParamsOf<"authorizedRequest">[] = [];
  const authorizedRequest: Handlers["authorizedRequest"] = async (given, call) => {
    seen.push(given);
    const stream = new ResponseStream(call);
    const { status = 200, headers = {} } = head;
    const response = { status, statusText: "OK", headers, url: given.url };
    await stream.head(response);
    for (const chunk of chunks) await stream.chunk(chunk);
    return { ...response, refreshed: false, ...stream.sent };
  };
  return { seen, authorizedRequest };
}

test("authorizedFetch has the shape of fetch", async (t) => {
  const headers = { "content-type": "application/json", "set-cookie": ["a=1", "b=2"] };
  const { seen, authorizedRequest } = streaming([Buffer.from('{"a":'), Buffer.from("1}")], {
    status: 201,
    headers,
  });
  const { client } = await start(t, { authorizedRequest });
  const fetch = client.authorizedFetch("labelf");
  const response = await fetch("https://api.example/x", {
    method: "POST",
    headers: { "X-Thing": "1" },
    body: new URLSearchParams({ q: "1" }),
  });
  t.is(response.status, 201);
  t.is(response.url, "https://api.example/x");
  t.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
  t.deepEqual(await response.json(), { a: 1 });
  const [given] = seen;
  t.is(given?.credential, "labelf");
  t.is(given?.method, "POST");
  t.is(given?.body, "q=1");
  t.is(given?.headers?.["x-thing"], "1");
  t.regex(given?.headers?.["content-type"] ?? "", /x-www-form-urlencoded/);
});

test("authorizedFetch carries binary bodies both ways", async (t) => {
  const bytes = randomBytes(1_000_000);
  const { seen, authorizedRequest } = streaming([bytes.subarray(0, 999), bytes.subarray(999)], {});
  const { client } = await start(t, { authorizedRequest });
  const response = await client.authorizedFetch("x")(new URL("https://api.example/"), {
    method: "PUT",
    body: bytes,
  });
  t.deepEqual(Buffer.from(await response.arrayBuffer()), bytes);
  t.deepEqual(Buffer.from(seen[0]?.bodyBase64 ?? "", "base64"), bytes);
});

test("authorizedFetch answers without a body where there must be none", async (t) => {
  const { client } = await start(t, streaming([], { status: 204 }));
  const response = await client.authorizedFetch("x")("https://api.example/");
  t.is(response.body, null);
});

test("a body of authorizedFetch that is read slowly holds the daemon back, and nobody else", async (t) => {
  const chunk = randomBytes(64 * 1024);
  let sent = 0;
  const { client } = await start(t, {
    authorizedRequest: async (given, call) => {
      const stream = new ResponseStream(call);
      const head = { status: 200, statusText: "OK", headers: {}, url: given.url };
      await stream.head(head);
      for (; sent < 500; sent++) await stream.chunk(chunk);
      return { ...head, refreshed: false, ...stream.sent };
    },
  });
  const response = await client.authorizedFetch("x")("https://api.example/");
  let before = -1;
  while (sent === 0 || sent !== before) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.true(sent < 100);
  t.is((await client.getToken({ credential: "y" })).accessToken, "y");
  t.is((await response.arrayBuffer()).byteLength, 500 * chunk.length);
});

test("authorizedFetch rejects with the daemon's error, or the signal's reason", async (t) => {
  const { client } = await start(t, {
    authorizedRequest: ({ url }) => {
      if (url.endsWith("/slow")) return new Promise(() => {});
      throw new AuthdError("origin_not_allowed", "not there");
    },
  });
  const fetch = client.authorizedFetch("x");
  const error = await t.throwsAsync(fetch("https://api.example/"), { instanceOf: AuthdError });
  t.is(error?.reason, "origin_not_allowed");
  const signal = AbortSignal.timeout(20);
  const slow = await t.throwsAsync(fetch("https://api.example/slow", { signal }), { any: true });
  t.is((slow as unknown as DOMException).name, "TimeoutError");
});

test("a body that is given up is cancelled at the daemon", async (t) => {
  let signal: { readonly aborted: boolean } | undefined;
  const { client } = await start(t, {
    authorizedRequest: async (given, call) => {
      signal = call.signal;
      const head = { status: 200, statusText: "OK", headers: {}, url: given.url };
      await call.notify("response/head", { id: call.id, ...head });
      return new Promise(() => {});
    },
  });
  const response = await client.authorizedFetch("x")("https://api.example/");
  await response.body?.cancel();
  await until(() => signal?.aborted);
  t.pass();
});
