/** Resident memory over 1,000,000 getToken calls: how much it grows after the first 100,000. */
import { setTimeout as sleep } from "node:timers/promises";
import { number } from "./helpers/amounts.ts";
import { run } from "./helpers/bench.ts";
import { startDaemon } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { rss } from "./helpers/usage.ts";

const MOST_MB = 10;
const STEPS = 10;
const REST_MS = 1000;
const CONNECTIONS = 8;

await run(async (bench) => {
  const calls = bench.quick ? 4_000 : 1_000_000;
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  const { pid } = await startDaemon(bench, home);
  const open = () => Load.open(home.socket, "base", 16, { credential: "bench" });
  const loads = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  const rested: number[] = [];
  let peak = 0;
  for (let step = 0; step < STEPS; step++) {
    await Promise.all(loads.map((load) => load.run(calls / STEPS / CONNECTIONS)));
    peak = Math.max(peak, rss(pid));
    // Garbage that waits for its collector, who may get no CPU on a busy machine, is no growth.
    await sleep(bench.quick ? 1 : REST_MS);
    rested.push(rss(pid));
  }
  for (const load of loads) load.close();
  const [first, ...later] = rested;
  bench.row({
    what: `${calls} getToken calls, growth of RSS`,
    measured: Math.max(...later) - first!,
    unit: "MB",
    most: MOST_MB,
    detail: `after a tenth ${number(first!)} MB, later ${number(Math.max(...later))} MB at most, each after ${REST_MS / 1000} s of rest; in between ${number(peak)} MB at most`,
  });
});
