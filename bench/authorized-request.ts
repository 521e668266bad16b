/**
 * authorizedRequest through a real daemon: small answers against a bare relay, which shows what a
 * second process in between costs at least (beside them the same undici request made directly, and
 * undici's fetch), and a streamed body of 10 MiB against a bare relay that puts base64 chunks into
 * the same frames.
 */
import { join } from "node:path";
import { fetch, request } from "undici";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { Caller } from "./helpers/caller.ts";
import { startDaemon, startProgram } from "./helpers/child.ts";
import { directly } from "./helpers/direct.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { compare, median } from "./helpers/rounds.ts";

const TARGETS = { latency: 1.3, throughput: 0.6 };
const MiB = 1024 * 1024;
const BODY_BYTES = 10 * MiB;

await run(async (bench) => {
  const api = await startProgram(bench, "api-server.js");
  const relaySocket = join(bench.folder, "relay.sock");
  await startProgram(bench, "relay-server.js", relaySocket);
  const home = makeHome(bench);
  const toml = `preset = "labelf"\nclient_id = "bench"\norigins = ["${api}"]\n`;
  await fillHome(home, new Map([["bench", toml]]));
  await startDaemon(bench, home);
  const authd = new Caller(home.socket);
  const relay = new Caller(relaySocket);
  await small(bench, { api, authd, relay });
  await streamed(bench, { api, authd, relay });
  authd.close();
  relay.close();
});

interface Ends {
  api: string;
  authd: Caller;
  relay: Caller;
}

async function small(bench: Bench, { api, authd, relay }: Ends): Promise<void> {
  const direct = directly();
  const calls = bench.quick ? 20 : 1000;
  const asked = { credential: "bench", url: `${api}/` };
  const { undici, bare, ours, fetched } = await compare(roundsOf(bench), {
    bare: () => latency(calls, () => relay.call("authorizedRequest", asked)),
    undici: () => latency(calls, async () => (await request(asked.url, direct)).body.text()),
    ours: () => latency(calls, () => authd.call("authorizedRequest", asked)),
    fetched: () => latency(calls, async () => (await fetch(asked.url, direct)).text()),
  });
  bench.row({
    what: "authorizedRequest, small answer",
    measured: ours.ratio,
    most: TARGETS.latency,
    detail:
      `authd ${number(ours.value)} µs, a bare relay ${number(bare.value)} µs; ${ours.spread}; ` +
      `undici directly: ${number(undici.ratio)} ×, its fetch: ${number(fetched.ratio)} ×`,
  });

  const later = { credential: "bench", url: `${api}/later` };
  const waits = await compare(roundsOf(bench), {
    undici: () => latency(calls / 10, async () => (await request(later.url, direct)).body.text()),
    ours: () => latency(calls / 10, () => authd.call("authorizedRequest", later)),
  });
  bench.row({
    what: "authorizedRequest, an API that takes 5 ms",
    measured: waits.ours.ratio,
    detail: `authd ${number(waits.ours.value)} µs, undici directly ${number(waits.undici.value)} µs; ${waits.ours.spread}`,
  });
  await direct.dispatcher.close();
}

async function streamed(bench: Bench, { api, authd, relay }: Ends): Promise<void> {
  const bodies = bench.quick ? 1 : 10;
  const asked = { credential: "bench", url: `${api}/big`, stream: true };
  const { bare, ours } = await compare(roundsOf(bench), {
    bare: () => throughput(bodies, relay, asked),
    ours: () => throughput(bodies, authd, asked),
  });
  bench.row({
    what: "authorizedRequest, 10 MiB streamed",
    measured: ours.ratio,
    least: TARGETS.throughput,
    detail: `authd ${number(ours.value)} MiB/s, bare relay ${number(bare.value)} MiB/s; ${ours.spread}`,
  });
}

function roundsOf({ quick }: Bench): number {
  return quick ? 1 : 11;
}

/** Microseconds: the median of one call after another. */
async function latency(calls: number, call: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < calls / 10; i++) await call();
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const startedAt = performance.now();
    await call();
    times.push(performance.now() - startedAt);
  }
  return median(times) * 1000;
}

/** MiB a second. */
async function throughput(bodies: number, caller: Caller, params: object): Promise<number> {
  const startedAt = performance.now();
  for (let i = 0; i < bodies; i++) {
    const { bytes } = await caller.call("authorizedRequest", params);
    if (bytes !== BODY_BYTES) throw new Error(`${bytes} bytes came`);
  }
  return (bodies * BODY_BYTES) / MiB / ((performance.now() - startedAt) / 1000);
}
