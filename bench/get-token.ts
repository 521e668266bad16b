/**
 * Warm getToken through a real daemon, against a bare Node server that gives the same answer: one
 * request at a time; 8 connections with 16 requests in flight each, against a bare server that
 * batches its writes; and the CPU time that such a request takes.
 */

import type { Framing } from "../src/rpc/frame-parser.ts";
import { number } from "./helpers/amounts.ts";
import { startBareServers } from "./helpers/bare-servers.ts";
import { run } from "./helpers/bench.ts";
import { startDaemon } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { type Compared, compare, median } from "./helpers/rounds.ts";
import { cpuSeconds } from "./helpers/usage.ts";

const TARGETS = { latency: 1.15, throughput: 0.8, cpu: 1.25 };
const CONNECTIONS = 8;
const WIDTH = 16;
const params = { credential: "bench" };

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  const daemon = await startDaemon(bench, home);
  const bare = await startBareServers(bench, home.socket, params);
  const rounds = bench.quick ? 1 : 15;
  const calls = bench.quick ? 50 : 3000;
  for (const framing of ["base", "lines"] as const) {
    const latency = (path: string) => async () => {
      const load = await Load.open(path, framing, 1, params);
      await load.run(calls / 10);
      const times = await load.times(calls);
      load.close();
      return median(times) * 1000;
    };
    const one = await compare(rounds, {
      bare: latency(bare.plain),
      authd: latency(home.socket),
    });
    bench.row({
      what: `getToken, one connection, ${framing}`,
      measured: one.authd.ratio,
      most: TARGETS.latency,
      detail: `authd ${number(one.authd.value)} µs, bare ${number(one.bare.value)} µs; ${one.authd.spread}`,
    });
    const load = { framing, calls };
    const many = await compare(rounds, {
      bare: () => throughput(bare.batched, load),
      authd: () => throughput(home.socket, load),
    });
    bench.row(throughputRow(framing, many));
    const cpu = await compare(rounds, {
      bare: () => cpuPerCall(bare.batchedProcess.pid, bare.batched, load),
      authd: () => cpuPerCall(daemon.pid, home.socket, load),
    });
    bench.row({
      what: `getToken, CPU a request, ${CONNECTIONS} × ${WIDTH} in flight, ${framing}`,
      measured: cpu.authd.ratio,
      most: TARGETS.cpu,
      detail: `authd ${number(cpu.authd.value)} µs, bare server that batches ${number(cpu.bare.value)} µs; ${cpu.authd.spread}`,
    });
  }
});

interface LoadShape {
  framing: Framing;
  /** Calls of each connection. */
  calls: number;
}

/** Requests a second. */
async function throughput(path: string, { framing, calls }: LoadShape): Promise<number> {
  const open = () => Load.open(path, framing, WIDTH, params);
  const loads = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  await Promise.all(loads.map((load) => load.run(calls / 5)));
  const startedAt = performance.now();
  await Promise.all(loads.map((load) => load.run(calls)));
  const seconds = (performance.now() - startedAt) / 1000;
  for (const load of loads) load.close();
  return (CONNECTIONS * calls) / seconds;
}

/** Microseconds of the process's CPU, which the kernel tells in ticks of 10 ms: at least one of them. */
async function cpuPerCall(pid: number, path: string, { framing, calls }: LoadShape) {
  const before = cpuSeconds(pid);
  const all = calls * 2;
  await throughput(path, { framing, calls: all });
  const seconds = Math.max(cpuSeconds(pid) - before, 0.01);
  return (seconds * 1e6) / (CONNECTIONS * all * 1.2);
}

function throughputRow(framing: Framing, { authd, bare }: Record<"authd" | "bare", Compared>) {
  const each = `authd ${number(authd.value)}/s, bare server that batches ${number(bare.value)}/s`;
  return {
    what: `getToken, ${CONNECTIONS} × ${WIDTH} in flight, ${framing}`,
    measured: authd.ratio,
    least: TARGETS.throughput,
    detail: `${each}; ${authd.spread}`,
  };
}
