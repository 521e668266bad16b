/**
 * A body of 10 MiB up to an API through a real daemon, in parts, against a bare relay that takes the same
 * messages of the same client and passes their bytes on with nothing but Node's own HTTP client.
 */
import { join } from "node:path";
import { DaemonConnection } from "../src/rpc/daemon-connection.ts";
import { sendRequest } from "../src/rpc/send-request.ts";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { startDaemon, startProgram } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { compare } from "./helpers/rounds.ts";

const TARGET = 0.6;
const MiB = 1024 * 1024;
const BODY_BYTES = 10 * MiB;
const PARTS = Array.from({ length: 40 }, () => Buffer.alloc(BODY_BYTES / 40, "some bytes. "));

await run(async (bench) => {
  const api = await startProgram(bench, "api-server.js");
  const relaySocket = join(bench.folder, "relay.sock");
  await startProgram(bench, "relay-server.js", relaySocket);
  const home = makeHome(bench);
  const toml = `preset = "labelf"\nclient_id = "bench"\norigins = ["${api}"]\n`;
  await fillHome(home, new Map([["bench", toml]]));
  await startDaemon(bench, home);
  await measure(bench, api, relaySocket, home.socket);
});

async function measure(bench: Bench, api: string, relay: string, daemon: string): Promise<void> {
  const bodies = bench.quick ? 1 : 10;
  const ends = {
    bare: await DaemonConnection.open(relay),
    ours: await DaemonConnection.open(daemon),
  };
  const { bare, ours } = await compare(bench.quick ? 1 : 11, {
    bare: () => throughput(bodies, ends.bare, api),
    ours: () => throughput(bodies, ends.ours, api),
  });
  bench.row({
    what: "a body of 10 MiB up, streamed",
    measured: ours.ratio,
    least: TARGET,
    detail: `authd ${number(ours.value)} MiB/s, bare relay ${number(bare.value)} MiB/s; ${ours.spread}`,
  });
  for (const connection of Object.values(ends)) connection.destroy();
}

/** MiB a second. */
async function throughput(
  bodies: number,
  connection: DaemonConnection,
  api: string,
): Promise<number> {
  const startedAt = performance.now();
  for (let i = 0; i < bodies; i++) {
    const head = { credential: "bench", url: `${api}/`, method: "PUT" };
    const { status } = await sendRequest(connection, head, { parts: parts() });
    if (status !== 200) throw new Error(`status ${status}`);
  }
  return (bodies * BODY_BYTES) / MiB / ((performance.now() - startedAt) / 1000);
}

async function* parts() {
  yield* PARTS;
}
