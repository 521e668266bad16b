/**
 * Cached tokens while one issuer never answers: callers of that issuer's credential wait, give up
 * and ask again, and the p99 of four other credentials is compared with the same load when those
 * callers get a cached token.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { number } from "./helpers/amounts.ts";
import { run } from "./helpers/bench.ts";
import { startDaemon, startProgram } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { compare, percentile } from "./helpers/rounds.ts";

const MOST = 1.5;
/** Callers of the stalled credential, and how long each waits (ms) before it asks again. */
const CALLERS = 64;
const PATIENCE = 200;
const names = ["one", "two", "three", "four"];

await run(async (bench) => {
  const issuer = await startProgram(bench, "stalled-server.js");
  const home = makeHome(bench);
  const preset = `preset = "labelf"\nclient_id = "bench"\n`;
  await fillHome(home, new Map([...names, "cached"].map((name) => [name, preset])));
  await startDaemon(bench, home);
  await stall(home.socket, issuer);
  const calls = bench.quick ? 100 : 5000;
  const beside = (credential: string) => async () => {
    const stop = await keepAsking(home.socket, credential);
    const p99 = await p99Of(home.socket, calls);
    stop();
    return p99;
  };
  const { stalled, unstalled } = await compare(bench.quick ? 1 : 11, {
    unstalled: beside("cached"),
    stalled: beside("stalled"),
  });
  bench.row({
    what: "getToken p99 beside a stalled issuer",
    measured: stalled.ratio,
    most: MOST,
    detail: `stalled ${number(stalled.value)} µs, not stalled ${number(unstalled.value)} µs; ${stalled.spread}`,
  });
});

/** Adds a credential of an issuer that never answers; waits until a caller of it gets no token. */
async function stall(socket: string, issuer: string): Promise<void> {
  const params = {
    name: "stalled",
    preset: "labelf",
    settings: { client_id: "bench", token_url: `${issuer}/token` },
    secrets: { client_secret: "bench" },
  };
  const load = await Load.open(socket, "lines", 1, params, "credentials/add");
  // It answers when the issuer's time is up; the credential is there before that.
  void load.ask();
  const caller = await Load.open(socket, "lines", 1, { credential: "stalled", timeoutMs: 300 });
  const deadline = performance.now() + 10_000;
  while ((await caller.ask()).error?.data.reason === "unknown_credential") {
    if (performance.now() > deadline) throw new Error("the stalled credential was not added");
    await sleep(20);
  }
  caller.close();
}

/** Returns what ends it. */
async function keepAsking(socket: string, credential: string): Promise<() => void> {
  let over = false;
  const params = { credential, timeoutMs: PATIENCE };
  const open = () => Load.open(socket, "lines", 1, params);
  const loads = await Promise.all(Array.from({ length: CALLERS }, open));
  const loop = async (load: Load) => {
    const asked = performance.now();
    await load.run(1);
    const rest = PATIENCE - (performance.now() - asked);
    setTimeout(() => over || loop(load), Math.max(0, rest));
  };
  for (const load of loads) void loop(load);
  return () => {
    over = true;
    for (const load of loads) load.close();
  };
}

/** Microseconds, over all four credentials at once. */
async function p99Of(socket: string, calls: number): Promise<number> {
  const open = (credential: string) => Load.open(socket, "lines", 1, { credential });
  const loads = await Promise.all(names.map(open));
  await Promise.all(loads.map((load) => load.run(calls / 5)));
  const times = await Promise.all(loads.map((load) => load.times(calls)));
  for (const load of loads) load.close();
  return percentile(times.flat(), 0.99) * 1000;
}
