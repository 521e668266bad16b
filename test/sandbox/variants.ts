import test from "ava";
import { startOneStepAi } from "../../src/sandbox/onestepai.ts";
import { openPlayground } from "../../src/sandbox/playground.ts";
import { startRealtyna } from "../../src/sandbox/realtyna.ts";
import { startZebbra } from "../../src/sandbox/zebbra.ts";

const variants = {
  "onestepai-older": () => startOneStepAi({ older: true }),
  "zebbra-auth": () => startZebbra({ prefix: "/auth" }),
  "zebbra-two-factor": () => startZebbra({ twoFactor: true }),
  "realtyna-newer": () => startRealtyna({ newer: true }),
  "realtyna-bearer": () => startRealtyna({ scheme: "bearer" }),
};

test("the credential of every variant works as it is, through a real daemon", async (t) => {
  const { signal } = new AbortController();
  const playground = await openPlayground({ lifetimes: {}, logLevel: "info", signal });
  t.teardown(() => playground.close());
  const { client, apis } = playground;
  for (const [name, start] of Object.entries(variants)) {
    const api = await start();
    t.teardown(() => api.close());
    await client.request("credentials/add", { name, ...api.credential });
    const { ok, verified, detail } = await client.request("credentials/test", { credential: name });
    t.true(ok && verified, `${name}: ${detail}`);
    const { method, url } = api.example;
    const { status } = await client.authorizedRequest({ credential: name, method, url });
    t.is(status, 200, name);
  }
  for (const name of Object.keys(apis)) {
    const { ok, verified, detail } = await client.request("credentials/test", { credential: name });
    t.true(ok && verified, `${name}: ${detail}`);
  }
});

test("an account that authd makes itself works, and its user name is taken then", async (t) => {
  const { signal } = new AbortController();
  const playground = await openPlayground({ lifetimes: {}, logLevel: "info", signal });
  t.teardown(() => playground.close());
  const { client, apis } = playground;
  const settings = { username: "new@example.com", base_url: apis.zebbra.url };
  const registration = { preset: "zebbra", settings, register: true };
  await client.request("credentials/add", { name: "first", ...registration });
  t.true((await client.request("credentials/test", { credential: "first" })).ok);
  await t.throwsAsync(client.request("credentials/add", { name: "second", ...registration }));
  t.is(apis.zebbra.requests.at(-1)?.status, 409);
});
