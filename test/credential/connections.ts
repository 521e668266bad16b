/** Which connections token requests go over. */
import type { Socket } from "node:net";
import { setImmediate as immediate } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { startApi } from "../helpers/api.ts";
import { startTestRegistry } from "../helpers/test-registry.ts";

const MINUTE = 60_000;

test("a refresh token that rotates never goes over a connection that was used before", async (t) => {
  let count = 0;
  const carried = new WeakMap<object, number>();
  const used: number[] = [];
  const api = await startApi(t, (_, response) => {
    const before = carried.get(response.socket!) ?? 0;
    carried.set(response.socket!, before + 1);
    used.push(before);
    // Its time would differ from the engine's, which calls for a new connection.
    response.sendDate = false;
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({ access_token: `a${++count}`, refresh_token: `r${count}`, expires_in: 60 }),
    );
  });
  const engine = await startTestRegistry(t);
  const shared = { token_url: `${api.origin}/token`, client_id: "demo" };
  const own = await engine.add(
    "own",
    { grant: "refresh_token", ...shared, client_auth: "none" },
    { refresh_token: "r0" },
  );
  const other = await engine.add(
    "other",
    { grant: "client_credentials", ...shared },
    { client_secret: "practice" },
  );
  for (let i = 0; i < 3; i++) {
    await other.token({ forceRefresh: true });
    await own.token({ forceRefresh: true });
    await immediate();
    engine.clock.advance(30_000);
  }
  t.true(used.length >= 6);
  const rotating = api.seen.map(({ body }, i) => [String(body).includes("refresh_token"), used[i]]);
  t.true(rotating.every(([rotates, before]) => !rotates || before === 0));
  t.true(rotating.some(([rotates, before]) => !rotates && before !== 0));
});

/** An issuer that keeps connections alive, and breaks each at its second request. */
async function startBreaking(t: ExecutionContext, breakOff: (socket: Socket) => void) {
  const carried = new WeakMap<object, number>();
  let count = 0;
  const api = await startApi(t, (_, response) => {
    const socket = response.socket!;
    const before = carried.get(socket) ?? 0;
    carried.set(socket, before + 1);
    if (before > 0) return breakOff(socket);
    response.sendDate = false;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ access_token: `a${++count}`, expires_in: 3600 }));
  });
  return api;
}

const ENDS: readonly [string, (socket: Socket) => void][] = [
  ["reset", (socket) => void socket.resetAndDestroy()],
  ["ended", (socket) => void socket.end()],
];

const exchange = (origin: string, request: object = {}) => ({
  grant: "exchange",
  secrets: ["api_token"],
  request: { url: `${origin}/token`, form: { key: "{secret.api_token}" }, ...request },
  response: { token: "/access_token", expires_in: "/expires_in" },
});

for (const [how, breakOff] of ENDS) {
  test(`a renewal on a kept-alive connection that is ${how} unanswered is sent again on a new one`, async (t) => {
    const issuer = await startBreaking(t, breakOff);
    const engine = await startTestRegistry(t);
    const shared = { token_url: `${issuer.origin}/token`, client_id: "demo" };
    const files: readonly [object, Record<string, string>][] = [
      [{ grant: "client_credentials", ...shared }, { client_secret: "practice" }],
      [{ grant: "password", ...shared, username: "me" }, { password: "practice" }],
      [exchange(issuer.origin), { api_token: "practice" }],
      [exchange(issuer.origin, { repeatable: true }), { api_token: "practice" }],
    ];
    for (const [i, [file, secrets]] of files.entries()) {
      // On connections of its own.
      engine.http.reconnect();
      const [requests, connections] = [issuer.seen.length, issuer.connections];
      const credential = await engine.add(`demo-${i}`, { ...file }, secrets);
      await credential.token({});
      await immediate();
      engine.clock.advance(MINUTE);
      const { accessToken } = await credential.token({ forceRefresh: true });
      t.is(issuer.seen.length - requests, 3);
      t.is(issuer.connections - connections, 2);
      t.deepEqual(issuer.seen.at(-1)?.body, issuer.seen.at(-2)?.body);
      t.is(accessToken, `a${(i + 1) * 2}`);
      t.is(credential.info().failureCount, 0);
    }
  });

  test(`an exchange that says repeatable = false is not sent again when its connection is ${how}`, async (t) => {
    const issuer = await startBreaking(t, breakOff);
    for (const method of ["POST", "GET"]) {
      const engine = await startTestRegistry(t);
      const before = issuer.seen.length;
      const file = exchange(issuer.origin, { method, repeatable: false });
      const credential = await engine.add("demo", file, { api_token: "practice" });
      await credential.token({});
      await immediate();
      engine.clock.advance(MINUTE);
      const refused = Promise.resolve(credential.token({ forceRefresh: true }));
      t.like(await t.throwsAsync(refused), { reason: "issuer_unavailable" });
      t.is(issuer.seen.length - before, 2);
    }
  });

  test(`what works only once is not on a connection that can be ${how} unheard`, async (t) => {
    const issuer = await startBreaking(t, breakOff);
    const engine = await startTestRegistry(t);
    const token_url = `${issuer.origin}/token`;
    const files: readonly [object, Record<string, string>][] = [
      [
        { grant: "password", token_url, username: "me" },
        { password: "practice", otp_secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" },
      ],
      [{ grant: "refresh_token", token_url }, { refresh_token: "practice" }],
    ];
    for (const [i, [file, secrets]] of files.entries()) {
      const before = issuer.seen.length;
      const credential = await engine.add(`demo-${i}`, { ...file }, secrets);
      for (let n = 1; n <= 2; n++) {
        await credential.token({ forceRefresh: true });
        t.is(issuer.seen.length - before, n);
        engine.clock.advance(MINUTE);
        await immediate();
      }
    }
  });
}
