/**
 * Resident memory of an idle daemon with four credentials, one a preset, against a Node process
 * that only waits: after a restart, when all tokens are cached and the network has not been used,
 * and after the first requests to the issuers and the APIs.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startPracticeApis } from "../src/sandbox/index.ts";
import type { PracticeApi } from "../src/sandbox/practice-api.ts";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { Caller } from "./helpers/caller.ts";
import { startBareNode, startDaemon } from "./helpers/child.ts";
import { type Home, makeHome } from "./helpers/home.ts";
import { compare, median } from "./helpers/rounds.ts";
import { rss } from "./helpers/usage.ts";

const TARGETS = { before: 1.5, after: 1.8 };
const SETTLE_MS = 2500;
/** Realtyna's token endpoint takes one request a second, and so does its practice API. */
const TOKEN_INTERVAL_MS = 1100;

await run(async (bench) => {
  const apis = Object.values(await startPracticeApis());
  bench.defer(() => Promise.all(apis.map((api) => api.close())));
  const home = makeHome(bench);
  await addAll(bench, home, apis);

  const settleMs = bench.quick ? 50 : SETTLE_MS;
  const afterwards: number[] = [];
  const { bare, before } = await compare(bench.quick ? 1 : 9, {
    bare: async () => {
      const node = await startBareNode(bench);
      await sleep(settleMs);
      const measured = rss(node.pid);
      await node.stop();
      return measured;
    },
    before: async () => {
      const daemon = await startDaemon(bench, home);
      const seen = requests(apis);
      await sleep(settleMs);
      if (requests(apis) !== seen) throw new Error("the daemon used the network unasked");
      const measured = rss(daemon.pid);
      await sleep(Math.max(0, TOKEN_INTERVAL_MS - settleMs));
      await useNetwork(home, apis);
      await sleep(settleMs);
      afterwards.push(rss(daemon.pid));
      await daemon.stop();
      return measured;
    },
  });
  for (const [when, most, value] of [
    ["before the first network call", TARGETS.before, before.value],
    ["after it", TARGETS.after, median(afterwards)],
  ] as const) {
    bench.row({
      what: `idle RSS with four credentials, ${when}`,
      measured: value / bare.value,
      most,
      detail: `authd ${number(value)} MB, bare Node ${number(bare.value)} MB`,
    });
  }
});

/** With a daemon of their own, so that the one that is measured finds cached tokens. */
async function addAll(bench: Bench, home: Home, apis: readonly PracticeApi[]): Promise<void> {
  const daemon = await startDaemon(bench, home);
  const caller = new Caller(home.socket);
  for (const { name, credential } of apis) {
    await caller.call("credentials/add", { name, ...credential });
  }
  caller.close();
  await daemon.stop();
}

/** A new token and one request to the API for each. */
async function useNetwork(home: Home, apis: readonly PracticeApi[]): Promise<void> {
  const caller = new Caller(home.socket);
  for (const { name, example } of apis) {
    await caller.call("getToken", { credential: name, forceRefresh: true });
    const { result } = await caller.call<{ status: number }>("authorizedRequest", {
      credential: name,
      ...example,
      ...(example.body === undefined ? {} : { headers: { "content-type": "application/json" } }),
    });
    if (result.status !== 200) throw new Error(`${name} answered ${result.status}`);
  }
  caller.close();
}

function requests(apis: readonly PracticeApi[]): number {
  return apis.reduce((sum, { stats }) => sum + stats.tokenRequests + stats.apiRequests, 0);
}
