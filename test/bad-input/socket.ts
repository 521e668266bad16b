/** Whatever a client sends, the daemon answers it well-formed and stays: no crash, no hang, no leak. */

import { Buffer } from "node:buffer";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import fc from "fast-check";
import type { Method } from "../../src/protocol.ts";
import { params } from "../../src/rpc/params.ts";
import { startApi } from "../helpers/api.ts";
import { type Daemon, startDaemon } from "../helpers/daemon.ts";
import { type Answer, RawClient } from "../helpers/wire.ts";

const SECRET = "practice-secret-that-nobody-may-see";
const REASONS = new Set([
  ...["invalid_params", "unknown_credential", "login_required", "credential_rejected"],
  ...["credential_changed", "credential_damaged", "origin_not_allowed", "vault_locked"],
  ...["issuer_unavailable", "timeout", "too_busy", "request_failed", "request_too_large"],
  ...["response_too_large", "cancelled"],
]);

/** A daemon that knows `fixed`, whose one origin is an API on loopback that says yes to all. */
async function setup(t: ExecutionContext) {
  const api = await startApi(t, (_seen, response) => response.end("yes"));
  const daemon = await startDaemon(t);
  const credential = {
    grant: "static",
    settings: { origins: [api.origin] },
    secrets: { token: SECRET },
  };
  t.is((await daemon.add("fixed", { credential })).code, 0);
  return { api, daemon, client: await RawClient.open(t, daemon.socket) };
}

function wellFormed(t: ExecutionContext, answer: Answer | undefined, id: unknown): void {
  t.is(answer?.id as unknown, id);
  if (answer?.result !== undefined) return;
  t.true(Number.isSafeInteger(answer?.error?.code), JSON.stringify(answer));
  t.true((answer?.error?.message.length ?? 0) > 5 && (answer?.error?.message.length ?? 0) < 2_000);
  t.true(REASONS.has(answer?.error?.data.reason ?? ""), JSON.stringify(answer));
}

async function stillAnswers(t: ExecutionContext, daemon: Daemon): Promise<void> {
  const client = await RawClient.open(t, daemon.socket, "base");
  client.request(1, "getToken", { credential: "fixed" });
  t.is((await client.next())?.result?.accessToken, SECRET);
  client.socket.destroy();
}

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    "",
    "\0",
    "__proto__",
    -1,
    1e308,
    2 ** 53,
    [],
    {},
    [[]],
    null,
    "x".repeat(70_000),
  ),
);

/** Params of a method: each member left out, of its own type, or anything at all. */
function paramsOf(method: Method): fc.Arbitrary<unknown> {
  const known: Record<string, fc.Arbitrary<unknown>> = {
    credential: fc.constantFrom("fixed", "made", "nothing", "constructor", "../x", ""),
    name: fc.constantFrom("made", "UP", "a/b", "..", "__proto__", "x".repeat(65)),
    grant: fc.constantFrom("static", "exchange", "password", "constructor"),
    preset: fc.constantFrom("labelf", "toString", "../labelf"),
    settings: fc.dictionary(
      fc.constantFrom("origins", "headers", "ttl", "verify", "fields", "x", "__proto__"),
      odd,
    ),
    secrets: fc.dictionary(
      fc.constantFrom("token", "password", "__proto__"),
      fc.constantFrom("", "x", SECRET),
    ),
    url: fc.constantFrom(
      "http://127.0.0.1:1/",
      "file:///etc/passwd",
      "https://user:pw@a.example/",
      "::",
    ),
    headers: fc.dictionary(
      fc.constantFrom("host", "x-a", "Authorization", "a b"),
      fc.constantFrom("a\r\nb", "ok", "\0"),
    ),
    timeoutMs: fc.constantFrom(1, 50, 0, -5, 1.5, 1e9),
  };
  const shape = Object.keys(params[method].shape);
  const members = shape.map((key) => [key, fc.oneof(known[key] ?? odd, odd)] as const);
  const object = fc.record(Object.fromEntries(members), { requiredKeys: [] });
  return method === "shutdown"
    ? odd.filter((value) => !isObject(value) && !isAbsent(value))
    : fc.oneof({ weight: 5, arbitrary: object }, odd);
}

const isAbsent = (value: unknown) => value === null || (Array.isArray(value) && value.length === 0);
const isObject = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

test("any params of any method get a well-formed answer", async (t) => {
  const { daemon, client } = await setup(t);
  let id = 0;
  for (const method of Object.keys(params) as Method[]) {
    await fc.assert(
      fc.asyncProperty(paramsOf(method), async (given) => {
        id++;
        client.request(id, method, given);
        let answer = await client.next();
        while (answer?.method !== undefined) answer = await client.next();
        wellFormed(t, answer, id);
        const message = answer?.error?.message ?? "";
        return !message.includes(SECRET) && answer?.error?.data.reason !== "internal";
      }),
      { numRuns: 60 },
    );
    // Whatever was done to it is undone.
    const secrets = { token: SECRET };
    const settings = { origins: ["http://127.0.0.1:1"] };
    const fixed = { name: "fixed", grant: "static", settings, secrets, replace: true };
    t.is((await askFor(client, "credentials/add", fixed))?.result?.state, "ready");
  }
  await stillAnswers(t, daemon);
  const { stderr } = await daemon.stop();
  t.false(stderr.includes(SECRET));
});

async function askFor(client: RawClient, method: string, given: object = {}) {
  client.request("between", method, given);
  let answer = await client.next();
  while (answer?.id !== "between") answer = await client.next();
  return answer;
}

test("any bytes: the connection is answered or closed, the daemon stays", async (t) => {
  const { daemon } = await setup(t);
  const start = fc.constantFrom(
    "{",
    "[",
    " ",
    "Content-Length: 5\r\n\r\n",
    "Content-Length: 999999999\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "\0",
    "\x80",
    '{"jsonrpc":"2.0","id":1,"method":"$/cancelRequest"}\n',
    '{"jsonrpc":"2.0","method":"$/cancelRequest","params":[]}\n',
  );
  await fc.assert(
    fc.asyncProperty(start, fc.uint8Array({ maxLength: 300 }), async (text, bytes) => {
      const client = await RawClient.open(t, daemon.socket).catch(() => undefined);
      client?.socket.on("error", () => {});
      client?.socket.end(Buffer.concat([Buffer.from(text, "latin1"), bytes]));
      await client?.closed;
      return client !== undefined;
    }),
    { numRuns: 100 },
  );
  await stillAnswers(t, daemon);
});

test("URLs that are none of the credential's: refused by name, and nothing is sent", async (t) => {
  const { api, daemon, client } = await setup(t);
  for (const [url, reason] of [
    [api.origin.replace("//", "//me:hunter2@"), "invalid_params"],
    ["https://me:hunter2@evil.example/", "origin_not_allowed"],
    ["file:///etc/passwd", "origin_not_allowed"],
    ["https://evil.example/", "origin_not_allowed"],
    [`http://[::ffff:127.0.0.1]:${api.port}/`, "origin_not_allowed"],
    ["https://аpi.example.com/", "origin_not_allowed"],
    ["http://127.0.0.1:1/", "origin_not_allowed"],
  ] as const) {
    const answer = await askFor(client, "authorizedRequest", { credential: "fixed", url });
    t.is(answer?.error?.data.reason, reason, url);
    t.regex(answer?.error?.message ?? "", /^fixed: /);
    t.notRegex(answer?.error?.message ?? "", /hunter2/);
  }
  t.is(api.connections, 0);
  await stillAnswers(t, daemon);
});

test("header values with CR, LF or NUL: refused by name, and nothing is sent", async (t) => {
  const { api, daemon, client } = await setup(t);
  for (const value of ["a\r\nx-evil: 1", "a\nb", "a\r", "a\0"]) {
    const headers = { "x-a": value };
    const given = { credential: "fixed", url: api.origin, headers };
    const answer = await askFor(client, "authorizedRequest", given);
    t.is(answer?.error?.data.reason, "invalid_params");
    t.regex(answer?.error?.message ?? "", /x-a/);
  }
  t.is(api.connections, 0);
  await stillAnswers(t, daemon);
});

test("a frame of 9 MB, one that never ends and a flood of connections disturb nobody else", async (t) => {
  const { daemon } = await setup(t);
  const huge = await RawClient.open(t, daemon.socket, "base");
  huge.socket.write(`Content-Length: ${9 * 2 ** 20}\r\n\r\n`);
  t.is((await huge.next())?.error?.data.reason, "request_too_large");
  await huge.closed;
  const half = await RawClient.open(t, daemon.socket);
  half.socket.write('{"jsonrpc":"2.0","id":1,"method":"get');
  const many = await Promise.all(
    Array.from({ length: 200 }, () => RawClient.open(t, daemon.socket)),
  );
  await stillAnswers(t, daemon);
  for (const client of many) client.socket.destroy();
  half.socket.destroy();
  await stillAnswers(t, daemon);
});

test("many at once that add, set, remove and reload one name leave it whole or gone", async (t) => {
  const { daemon, client: first } = await setup(t);
  const clients = await Promise.all(
    Array.from({ length: 6 }, () => RawClient.open(t, daemon.socket)),
  );
  const secrets = { token: "practice-one" };
  const about = { credential: "busy" };
  const calls: [string, object][] = [
    ["credentials/add", { name: "busy", grant: "static", secrets }],
    ["credentials/add", { name: "busy", grant: "static", secrets, replace: true }],
    ["credentials/set", { ...about, secrets: { token: "practice-two" } }],
    ["credentials/set", { ...about, settings: { ttl: 60 } }],
    ["credentials/remove", about],
    ["credentials/refresh", about],
    ["credentials/trust", about],
    ["getToken", { ...about, forceRefresh: true }],
    ["reload", {}],
  ];
  let id = 0;
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      clients.map(async (client, index) => {
        for (const [method, given] of calls.slice(index).concat(calls.slice(0, index))) {
          client.request(`${index}-${++id}`, method, given);
        }
        for (const answer of await client.take(calls.length)) wellFormed(t, answer, answer.id);
      }),
    );
  }
  await askFor(first, "credentials/remove", about);
  const kept = await askFor(first, "credentials/add", { name: "busy", grant: "static", secrets });
  t.is(kept?.result?.state, "ready");
  t.like((await askFor(first, "reload"))?.result, { changed: [], errors: [] });
  await daemon.stop();
  const next = await startDaemon(t, { home: daemon });
  const client = await RawClient.open(t, next.socket);
  t.is((await askFor(client, "getToken", about))?.result?.accessToken, "practice-one");
  // That this token is used is still being written.
  await next.stop();
  const files = readdirSync(join(next.stateDir, "vault"));
  t.deepEqual(
    files.filter((file) => /tmp|damaged/.test(file)),
    [],
  );
});

test("no name collides with the files of the vault", async (t) => {
  const { daemon, client } = await setup(t);
  const names = [
    "key",
    "lock",
    "vault.json",
    "vault",
    "con",
    "constructor",
    "tmp",
    "x.sealed",
    "0",
  ];
  for (const name of names) {
    const secrets = { token: `practice-of-${name}` };
    const made = await askFor(client, "credentials/add", { name, grant: "static", secrets });
    t.is(made?.result?.state, "ready", JSON.stringify(made));
  }
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  const next = await startDaemon(t, { home: daemon });
  const again = await RawClient.open(t, next.socket);
  for (const name of names) {
    const found = await askFor(again, "getToken", { credential: name });
    t.is(found?.result?.accessToken, `practice-of-${name}`);
    await askFor(again, "credentials/remove", { credential: name });
  }
  await stillAnswers(t, next);
});
