import test from "ava";
import { startPracticeApis } from "../../src/sandbox/index.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { until } from "../helpers/until.ts";

test("all four start, each with a credential of its preset, secrets new each time", async (t) => {
  const first = await startPracticeApis({ lifetimes: { labelf: 60 } });
  const second = await startPracticeApis();
  t.teardown(() =>
    Promise.all([...Object.values(first), ...Object.values(second)].map((api) => api.close())),
  );
  t.deepEqual(Object.keys(first), ["labelf", "onestepai", "zebbra", "realtyna"]);
  for (const [name, api] of Object.entries(first)) {
    t.is(api.name, name);
    t.is(api.credential.preset, name);
    const other = second[name as keyof typeof second].credential.secrets;
    for (const [field, secret] of Object.entries(api.credential.secrets)) {
      t.regex(secret, /^practice/);
      t.not(secret, other[field]!);
    }
  }
});

test("an unknown path is 404, another method 405, a body over 1 MiB 413", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  t.is((await fetch(`${api.url}/v3/models`)).status, 404);
  const wrong = await fetch(`${api.url}/oauth2/token`);
  t.is(wrong.status, 405);
  t.is(wrong.headers.get("allow"), "POST");
  const big = await fetch(`${api.url}/oauth2/token`, { method: "POST", body: "a".repeat(1 << 21) });
  t.is(big.status, 413);
  t.deepEqual(api.stats, { tokenRequests: 2, apiRequests: 0, rejected: 3 });
  t.deepEqual(
    api.requests.map(({ method, path, status }) => `${method} ${path} ${status}`),
    ["GET /v3/models 404", "GET /oauth2/token 405", "POST /oauth2/token 413"],
  );
});

test("fails on demand: one side or both, in three ways, until told to stop", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const models = (signal?: AbortSignal) =>
    fetch(`${api.url}/v2/models`, signal ? { signal } : undefined);
  const token = () => fetch(`${api.url}/oauth2/token`, { method: "POST" });

  api.fail("down", "token");
  t.is((await token()).status, 503);
  t.is((await models()).status, 401);
  api.fail("html");
  t.is((await models()).status, 200);
  t.regex(await (await token()).text(), /^<!DOCTYPE html>/);
  api.fail(undefined);
  t.is((await models()).status, 401);
  t.is((await token()).status, 400);

  api.fail("stall", "api");
  const waiting = new AbortController();
  const stalled = models(waiting.signal);
  await until(() => api.requests.at(-1)?.status === 0);
  waiting.abort();
  await t.throwsAsync(stalled, { any: true, name: "AbortError" });
});

test("close ends a request that is stalled", async (t) => {
  const api = await startLabelf();
  api.fail("stall");
  const stalled = t.throwsAsync(fetch(`${api.url}/v2/models`));
  await until(() => api.requests.length !== 0);
  await api.close();
  await stalled;
});
