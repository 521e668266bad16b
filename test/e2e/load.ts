/** Clients that are a nuisance, in small: what is counted is exact. bench/load.ts measures the rest. */
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import type { CredentialSettings } from "../../src/config/settings.ts";
import { createHttp } from "../../src/http/http.ts";
import { authorizedRequest, type RequestCredential } from "../../src/request/request.ts";
import { ResponseStream } from "../../src/rpc/response-stream.ts";
import type { ServerLimits } from "../../src/rpc/server.ts";
import { allClosed, type Handler, startApi } from "../helpers/api.ts";
import { run } from "../helpers/child.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { absent, missing, onLinux } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";
import { RawClient, startWire, tokenFor, type Wire } from "../helpers/wire.ts";

const params = { credential: "demo" };
const MiB = 1024 * 1024;

function credential(origin: string): RequestCredential {
  const settings: Partial<CredentialSettings> = { origins: [origin], headers: {} };
  const answer = tokenFor("demo");
  return {
    name: "demo",
    settings: settings as CredentialSettings,
    token: () => ({ accessToken: "demo", answer }),
    recordAccepted: () => {},
    refreshAfter401: async () => undefined,
    stepUp: async () => undefined,
  };
}

/** A server whose `authorizedRequest` is the daemon's own, and an API. */
async function setup(t: ExecutionContext, handler: Handler, limits: Partial<ServerLimits> = {}) {
  const api = await startApi(t, handler);
  const http = createHttp();
  t.teardown(() => http.close());
  const owner = credential(api.origin);
  const wire = await startWire(
    t,
    {
      authorizedRequest: (given, call) => {
        const { signal } = call;
        const more = given.stream ? { stream: new ResponseStream(call) } : {};
        return authorizedRequest(owner, http, given, { signal, room: call.room(), ...more });
      },
    },
    { limits },
  );
  const get = { credential: "demo", url: `${api.origin}/` };
  return { ...wire, api, get };
}

/** Nothing of anybody is held any more. */
async function allGivenBack({ server: { memoryBudget } }: Wire): Promise<void> {
  await until(
    () => memoryBudget.answers + memoryBudget.answerBytes + memoryBudget.requestBytes === 0,
  );
}

async function answersTo(t: ExecutionContext, path: string): Promise<void> {
  const other = await RawClient.open(t, path);
  other.request(1, "getToken", params);
  t.is((await other.next())?.result?.accessToken, "demo");
  other.socket.destroy();
}

const sized =
  (bytes: number, headers: Record<string, string | number> = {}): Handler =>
  (_, response) => {
    response.on("error", () => {});
    response.writeHead(200, headers).end(Buffer.alloc(bytes, "x"));
  };

test.serial("idle connections are served when they wake, and leave nothing behind", async (t) => {
  const wire = await startWire(t);
  const idle = await Promise.all(Array.from({ length: 500 }, () => RawClient.open(t, wire.path)));
  await until(() => wire.server.connections === 500);
  for (const client of idle) client.request(1, "getToken", params);
  for (const client of idle) t.is((await client.next())?.id, 1);
  for (const client of idle) client.socket.destroy();
  await until(() => wire.server.connections === 0);
  await allGivenBack(wire);
});

test.serial("clients that send byte by byte are told so and closed", async (t) => {
  const wire = await startWire(t, {}, { limits: { frameMs: 300 } });
  const drips = await Promise.all(Array.from({ length: 50 }, () => RawClient.open(t, wire.path)));
  const timer = setInterval(() => {
    for (const { socket } of drips) socket.write("{");
  }, 20);
  t.teardown(() => clearInterval(timer));
  await answersTo(t, wire.path);
  for (const client of drips) {
    const answer = await client.next();
    // Unread where the client's next byte found nobody any more.
    t.true(answer === undefined || answer.error?.data.reason === "timeout");
  }
  await Promise.all(drips.map(({ closed }) => closed));
  await until(() => wire.server.connections === 0);
  await allGivenBack(wire);
});

test.serial(
  "who takes nothing is dropped although it goes on sending; others are served",
  async (t) => {
    const big = Object.freeze({ ...tokenFor("demo"), tokenType: "x".repeat(100_000) });
    const limits = { highWaterBytes: 200_000, stallTimeoutMs: 200 };
    const wire = await startWire(t, { getToken: () => big }, { limits });
    const deaf = await RawClient.open(t, wire.path);
    deaf.socket.pause();
    for (let id = 0; id < 100; id++) deaf.request(id, "getToken", params);
    const timer = setInterval(() => deaf.socket.write("\n"), 10);
    t.teardown(() => clearInterval(timer));
    await answersTo(t, wire.path);
    await until(() => wire.server.connections === 0);
    await allGivenBack(wire);
  },
);

test.serial("a slow reader of large answers is not taken for one that takes nothing", async (t) => {
  const limits = { highWaterBytes: 100_000, stallTimeoutMs: 800 };
  const text = "x".repeat(4 * MiB);
  const wire = await startWire(t, { getToken: async () => tokenFor(text) }, { limits });
  const slow = await RawClient.open(t, wire.path);
  const startedAt = performance.now();
  slow.request(1, "getToken", params);
  // Far longer than it may be idle, and never idle for long.
  const timer = setInterval(() => {
    slow.socket.resume();
    if (performance.now() - startedAt > 2_000) clearInterval(timer);
    else setImmediate(() => slow.socket.pause());
  }, 100);
  t.teardown(() => clearInterval(timer));
  t.is((await slow.next())?.result?.accessToken, text);
});

test.serial("of a stream that nobody reads, no more is fetched than fits", async (t) => {
  let sent = 0;
  const wire = await setup(t, (_, response) => {
    const chunk = Buffer.alloc(64 * 1024);
    response.on("error", () => {});
    const more = () => {
      for (let room = true; room && !response.destroyed; sent += chunk.length)
        room = response.write(chunk);
    };
    response.on("drain", more);
    more();
  });
  const deaf = await RawClient.open(t, wire.path);
  deaf.request(1, "authorizedRequest", { ...wire.get, stream: true });
  await deaf.next();
  deaf.socket.pause();
  let before = -1;
  while (sent === 0 || sent !== before) {
    before = sent;
    await sleep(200);
  }
  t.true(sent < 32 * MiB, `${sent} bytes`);
  await answersTo(t, wire.path);
  deaf.socket.destroy();
  await allClosed(wire.api);
  await allGivenBack(wire);
});

for (const [how, headers] of Object.entries({
  "whose length is told": { "content-length": MiB },
  "whose length is not told": {},
})) {
  test.serial(`large answers ${how} are fetched as there is room, and all arrive`, async (t) => {
    const limits = { answerBytes: 12 * MiB, answerBytesEach: 8 * MiB };
    const wire = await setup(t, sized(MiB, headers), limits);
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.open(t, wire.path)));
    for (const client of clients)
      for (let id = 0; id < 20; id++) client.request(id, "authorizedRequest", wire.get);
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, wire.server.memoryBudget.answerBytes);
    });
    t.teardown(() => clearInterval(timer));
    for (const client of clients)
      for (const { result } of await client.take(20)) t.is(`${result?.body}`.length, MiB);
    t.true(most <= 12 * MiB);
    t.true(most >= MiB);
    await allGivenBack(wire);
  });
}

test.serial(
  "large answers that are not taken stop at their share; another client gets its own",
  async (t) => {
    const limits = { answerBytes: 8 * MiB, answerBytesEach: 4 * MiB };
    const handler = sized(MiB, { "content-length": MiB });
    const wire = await setup(t, handler, { ...limits, stallTimeoutMs: 2_000 });
    const deaf = await RawClient.open(t, wire.path);
    deaf.socket.pause();
    for (let id = 0; id < 40; id++) deaf.request(id, "authorizedRequest", wire.get);
    await until(() => wire.server.memoryBudget.answerBytes >= 4 * MiB);
    const other = await RawClient.open(t, wire.path);
    for (let id = 0; id < 8; id++) {
      other.request(id, "authorizedRequest", wire.get);
      t.is(`${(await other.next())?.result?.body}`.length, MiB);
      t.true(wire.server.memoryBudget.answerBytes <= 8 * MiB);
    }
    await until(() => wire.server.connections === 1);
    await allGivenBack(wire);
  },
);

test.serial("who waits for room in vain is told too_busy when its time is up", async (t) => {
  const limits = { answerBytes: 2 * MiB, answerBytesEach: 2 * MiB };
  const wire = await setup(t, sized(2 * MiB, { "content-length": 2 * MiB }), limits);
  const deaf = await RawClient.open(t, wire.path);
  deaf.socket.pause();
  deaf.request(1, "authorizedRequest", wire.get);
  await until(() => wire.server.memoryBudget.answerBytes > 0);
  const other = await RawClient.open(t, wire.path);
  other.request(1, "authorizedRequest", { ...wire.get, timeoutMs: 300 });
  const error = (await other.next())?.error;
  t.is(error?.data.reason, "too_busy");
  t.true((error?.data.retryAfterMs ?? 0) > 0);
  // A small answer needs no room.
  await answersTo(t, wire.path);
  deaf.socket.destroy();
  other.request(2, "authorizedRequest", wire.get);
  t.is(`${(await other.next())?.result?.body}`.length, 2 * MiB);
  await allGivenBack(wire);
});

test.serial(
  "a request that is taken back while it waits for room gives everything back",
  async (t) => {
    const limits = { answerBytes: 2 * MiB, answerBytesEach: 2 * MiB };
    const wire = await setup(t, sized(2 * MiB), limits);
    const deaf = await RawClient.open(t, wire.path);
    deaf.socket.pause();
    deaf.request(1, "authorizedRequest", { ...wire.get, maxResponseBytes: 2 * MiB });
    await until(() => wire.server.memoryBudget.answerBytes > 0);
    const other = await RawClient.open(t, wire.path);
    other.request(1, "authorizedRequest", wire.get);
    await until(() => wire.api.seen.length === 2);
    await sleep(50);
    other.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
    t.is((await other.next())?.error?.code, -32800);
    deaf.socket.destroy();
    await allGivenBack(wire);
  },
);

test.serial(
  "1,024 requests are in flight on one connection, the 1,025th is too_busy",
  async (t) => {
    const held: (() => void)[] = [];
    const wire = await setup(t, (_, response) => void held.push(() => response.end("ok")));
    const client = await RawClient.open(t, wire.path);
    for (let id = 1; id <= 1_025; id++) client.request(id, "authorizedRequest", wire.get);
    const first = await client.next();
    t.deepEqual([first?.id, first?.error?.data.reason], [1_025, "too_busy"]);
    await answersTo(t, wire.path);
    const timer = setInterval(() => {
      for (const release of held.splice(0)) release();
    }, 10);
    t.teardown(() => clearInterval(timer));
    const answers = await client.take(1_024);
    const failures = answers.filter(({ result }) => result?.body !== "ok");
    t.deepEqual(failures, []);
    await allGivenBack(wire);
  },
);

test.serial(
  "more requests to APIs than all clients may have are too_busy, and not sent",
  async (t) => {
    const wire = await setup(t, () => {}, { answers: 4 });
    const clients = await Promise.all([1, 2].map(() => RawClient.open(t, wire.path)));
    for (let id = 0; id < 3; id++) clients[0]!.request(id, "authorizedRequest", wire.get);
    await until(() => wire.api.seen.length === 3);
    for (let id = 0; id < 2; id++) clients[1]!.request(id, "authorizedRequest", wire.get);
    const refused = await clients[1]!.next();
    t.deepEqual([refused?.id, refused?.error?.data.reason], [1, "too_busy"]);
    await until(() => wire.api.seen.length === 4);
    clients[0]!.socket.destroy();
    await until(() => wire.server.memoryBudget.answers === 1);
    clients[1]!.request(1, "authorizedRequest", wire.get);
    await until(() => wire.api.seen.length === 5);
    t.is(wire.server.memoryBudget.answers, 2);
  },
);

test.serial(
  "more bytes of requests than all clients may have are too_busy; half a frame is closed",
  async (t) => {
    const never = () => new Promise<never>(() => {});
    const wire = await startWire(t, { getToken: never }, { limits: { requestBytes: 40_000 } });
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => RawClient.open(t, wire.path)));
    one!.request(1, "getToken", { credential: "x".repeat(20_000) });
    await until(() => wire.server.memoryBudget.requestBytes > 20_000);
    two!.request(1, "getToken", { credential: "x".repeat(20_000) });
    const refused = await two!.next();
    t.deepEqual([refused?.id, refused?.error?.data.reason], [1, "too_busy"]);
    three!.socket.write(`{"jsonrpc":"${"x".repeat(25_000)}`);
    t.is((await three!.next())?.error?.data.reason, "too_busy");
    await three!.closed;
    one!.socket.destroy();
    await until(() => wire.server.memoryBudget.requestBytes === 0);
    two!.request(2, "getToken", { credential: "x".repeat(20_000) });
    await until(() => wire.server.memoryBudget.requestBytes > 20_000);
    two!.socket.destroy();
    await allGivenBack(wire);
  },
);

test.serial(
  "opening and closing over and over, with half a request or none, leaves nothing behind",
  async (t) => {
    const wire = await startWire(t);
    const loops = Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 250; i++) {
        const socket = net.connect(wire.path);
        socket.on("error", () => {});
        await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
        if (i % 3 === 0) socket.write('{"jsonrpc":"2.0","id":1,');
        if (i % 3 === 1) socket.write('{"jsonrpc":"2.0","id":1,"method":"getToken"}\n');
        socket.destroy();
      }
    });
    await Promise.all(loops);
    await answersTo(t, wire.path);
    await until(() => wire.server.connections === 0);
    await allGivenBack(wire);
  },
);

test.serial("a crowd at the limit of connections is turned away, every one of them", async (t) => {
  const wire = await startWire(t, {}, { limits: { connections: 1 } });
  const inside = await RawClient.open(t, wire.path);
  await until(() => wire.server.connections === 1);
  const crowd = await Promise.all(Array.from({ length: 200 }, () => RawClient.open(t, wire.path)));
  const reasons = await Promise.all(crowd.map(async (each) => (await each.next())?.error?.data));
  await Promise.all(crowd.map(({ closed }) => closed));
  t.true(reasons.every((data) => data === undefined || data.reason === "too_busy"));
  t.true(reasons.filter((data) => data !== undefined).length >= 32);
  inside.request(1, "getToken", params);
  t.is((await inside.next())?.id, 1);
});

onLinux(
  "with few file descriptors clients are turned away in time, and the vault is still written",
  async (t) => {
    if (absent("prlimit").length > 0) return missing(t, "prlimit is not installed");
    const daemon = await startDaemon(t, {
      config: { "config.toml": "max_connections = 5000\n" },
      through: ["prlimit", "--nofile=164:164"],
    });
    const inside = await RawClient.open(t, daemon.socket);
    inside.request(0, "status");
    t.truthy((await inside.next())?.result);
    const crowd = await Promise.all(
      Array.from({ length: 300 }, () => RawClient.open(t, daemon.socket)),
    );
    for (const client of crowd) client.request(1, "status");
    const answers = await Promise.all(crowd.map((client) => client.next()));
    const served = answers.filter((answer) => answer?.result).length;
    t.is(served, 49);
    t.true(answers.every((answer) => !answer?.error || answer.error.data.reason === "too_busy"));
    const credential = {
      name: "late",
      grant: "static",
      settings: {},
      secrets: { token: "made-up" },
    };
    inside.request(2, "credentials/add", credential);
    t.is((await inside.next())?.result?.state, "ready");
    for (const client of crowd) client.socket.destroy();
    inside.request(3, "status");
    for (let seen = 50; seen > 1; inside.request(3, "status"))
      seen = Number((await inside.next())?.result?.connections);
    await inside.next();
    inside.request(4, "getToken", { credential: "late" });
    t.is((await inside.next())?.result?.accessToken, "made-up");
    const { stderr } = await daemon.stop();
    t.regex(
      stderr,
      /max_connections = 5000 takes 10064 file descriptors, and the system allows 164: 50 clients/,
    );
  },
);

test.serial("the harness runs", async (t) => {
  t.timeout(150_000);
  const file = fileURLToPath(new URL("../../bench/load.js", import.meta.url));
  for (const name of ["tokens", "header-names"]) {
    const { code, stdout, stderr } = await run(t, process.execPath, [
      file,
      "--quick",
      `--only=${name}`,
    ]);
    t.is(code, 0, stderr);
    t.regex(stdout, new RegExp(`${name}: hangs +≤ 0 +0 `), stdout);
    t.regex(stdout, new RegExp(`${name}: ordinary requests that failed +≤ 0 +0 `), stdout);
  }
});
