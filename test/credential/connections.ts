/** Which connections token requests go over. */
import { setImmediate as immediate } from "node:timers/promises";
import test from "ava";
import { startApi } from "../helpers/api.ts";
import { startEngine } from "../helpers/engine.ts";

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
  const engine = await startEngine(t);
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
