/**
 * Warm getToken through a real daemon, against a bare Node server that gives the same answer: one
 * request at a time, and 8 connections with 16 requests in flight each. The second is compared with
 * a bare server that batches its writes, too, so that the floor is not a slow one.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, run } from "./helpers/bench.ts";
import { startDaemon, startProgram } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { type Compared, compare, median } from "./helpers/rounds.ts";
import { number } from "./helpers/table.ts";

const TARGETS = { latency: 1.2, throughput: 0.7 };
const CONNECTIONS = 8;
const WIDTH = 16;
const params = { credential: "bench" };

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  const bare = await startBareServers(bench, home.socket);
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
    const throughput = (path: string) => async () => {
      const open = () => Load.open(path, framing, WIDTH, params);
      const loads = await Promise.all(Array.from({ length: CONNECTIONS }, open));
      await Promise.all(loads.map((load) => load.run(calls / 5)));
      const startedAt = performance.now();
      await Promise.all(loads.map((load) => load.run(calls)));
      const seconds = (performance.now() - startedAt) / 1000;
      for (const load of loads) load.close();
      return (CONNECTIONS * calls) / seconds;
    };
    const floors = { "bare server": bare.plain, "batching bare server": bare.batched };
    for (const [floor, path] of Object.entries(floors)) {
      const many = await compare(rounds, {
        bare: throughput(path),
        authd: throughput(home.socket),
      });
      bench.row(throughputRow(`${framing}, ${floor}`, many));
    }
  }
});

function throughputRow(what: string, { authd, bare }: Record<"authd" | "bare", Compared>) {
  const each = `authd ${number(authd.value)}/s, bare ${number(bare.value)}/s`;
  return {
    what: `getToken, ${CONNECTIONS} × ${WIDTH} in flight, ${what}`,
    measured: authd.ratio,
    least: TARGETS.throughput,
    detail: `${each}; ${authd.spread}`,
  };
}

/** They answer what the daemon answers. */
async function startBareServers(bench: Bench, authd: string) {
  const load = await Load.open(authd, "lines", 1, params);
  const { result } = await load.ask();
  load.close();
  if (!result) throw new Error("the daemon has no token");
  const answer = join(bench.folder, "answer.json");
  writeFileSync(answer, JSON.stringify(result));
  const plain = join(bench.folder, "bare.sock");
  const batched = join(bench.folder, "batched.sock");
  await startProgram(bench, "bare-server.js", plain, answer);
  await startProgram(bench, "bare-server.js", batched, answer, "batched");
  return { plain, batched };
}
