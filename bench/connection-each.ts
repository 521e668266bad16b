/**
 * A connection for each getToken, as shells, PHP and cron make them, against a bare Node server that
 * gives the same answer. The client is a C program where there is a compiler, so that its own cost
 * does not hide the server's; otherwise it is Node.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import * as net from "node:net";
import { join } from "node:path";
import { number } from "./helpers/amounts.ts";
import { startBareServers } from "./helpers/bare-servers.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { ROOT, runToEnd, startDaemon } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { compare, median } from "./helpers/rounds.ts";

const MOST = 1.8;
const params = { credential: "bench" };
const REQUEST = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "getToken", params });

/** Makes `calls` calls; resolves with the microseconds of each. */
type Client = (socket: string, calls: number) => Promise<number[]>;

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  const bare = await startBareServers(bench, home.socket, params);
  const { client, name } = createClient(bench);
  const calls = bench.quick ? 20 : 1_000;
  const latency = (socket: string) => async () => median(await client(socket, calls));
  const each = await compare(bench.quick ? 1 : 15, {
    bare: latency(bare.plain),
    authd: latency(home.socket),
  });
  bench.row({
    what: "getToken, a connection for each call",
    measured: each.authd.ratio,
    most: MOST,
    detail: `authd ${number(each.authd.value)} µs, bare ${number(each.bare.value)} µs; ${each.authd.spread}; client in ${name}`,
  });
});

function createClient(bench: Bench): { client: Client; name: string } {
  const program = join(bench.folder, "connect-each");
  const source = join(ROOT, "bench/helpers/connect-each.c");
  const { status } = spawnSync("cc", ["-O2", "-o", program, source], { stdio: "ignore" });
  if (status !== 0) return { client: callFromNode, name: "Node" };
  const client: Client = async (socket, calls) => {
    const printed = await runToEnd(program, [socket, String(calls), REQUEST]);
    return printed.trim().split("\n").map(Number);
  };
  return { client, name: "C" };
}

const callFromNode: Client = async (path, calls) => {
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const startedAt = performance.now();
    const socket = net.connect(path);
    socket.write(`${REQUEST}\n`);
    await once(socket, "data");
    times.push((performance.now() - startedAt) * 1000);
    socket.destroy();
  }
  return times;
};
