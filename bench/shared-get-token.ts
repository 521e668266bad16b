/**
 * Warm getToken of a daemon whose credentials are in a store, against one without: a cached token is answered from
 * memory by both.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { connect } from "../src/client.ts";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { startDaemon } from "./helpers/child.ts";
import { fillHome, type Home, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { compare, median } from "./helpers/rounds.ts";

const MOST = 1.05;
const params = { credential: "bench" };

await run(async (bench) => {
  const [alone, shared] = [await start(bench, "alone"), await start(bench, "shared")];
  const client = connect({ socket: shared.socket });
  await client.request("vault/move", { to: pathToFileURL(join(bench.folder, "store")).href });
  client.close();
  const calls = bench.quick ? 50 : 3_000;
  const latency =
    ({ socket }: Home) =>
    async () => {
      const load = await Load.open(socket, "base", 1, params);
      await load.run(calls / 10);
      const times = await load.times(calls);
      load.close();
      return median(times) * 1_000;
    };
  const rounds = bench.quick ? 1 : 15;
  const one = await compare(rounds, { alone: latency(alone), shared: latency(shared) });
  bench.row({
    what: "getToken with a store, of one without",
    measured: one.shared.ratio,
    most: MOST,
    detail: `with ${number(one.shared.value)} µs, without ${number(one.alone.value)} µs; ${one.shared.spread}`,
  });
});

async function start(bench: Bench, name: string): Promise<Home> {
  const home = makeHome(bench, name);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  return home;
}
