/**
 * The whole process of `authd get`, as a script pays for it: the native command and the Node command, beside a static
 * C program that makes the same call and nothing else, and the commands of other agents: `oidc-token` and `ssh-add -l`.
 * What is missing is left out by name.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NATIVE_COMMAND } from "../src/base/native-command.ts";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { MAIN, ROOT, runToEnd, startDaemon } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { PEER_NAMES, type Peer, type PeerName, startPeer } from "./helpers/peers.ts";
import { type Compared, compare, median } from "./helpers/rounds.ts";

const MOST_OF_FLOOR = 1.15;
const MOST_OF_OIDC_TOKEN = 0.85;

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  const spawnEach = compile(bench, "spawn-each", ["-O2"]);
  const floor = compile(bench, "get-once", ["-O2", "-static"]);
  const missing = existsSync(NATIVE_COMMAND) ? [] : ["the native command (npm run build:native)"];
  if (!spawnEach || !floor) missing.push("a C compiler with a static libc");
  const env = { ...home.env, PATH: process.env.PATH };
  const timeIn =
    (its: NodeJS.ProcessEnv, runs: number, ...command: readonly string[]) =>
    async () => {
      const args = [String(bench.quick ? 2 : runs), ...command];
      const printed = await runToEnd(spawnEach!, args, its);
      return median(printed.trim().split("\n").map(Number));
    };
  const time = (runs: number, ...command: readonly string[]) => timeIn(env, runs, ...command);
  const node = spawnEach && time(5, process.execPath, MAIN, "get", "bench");
  if (!node || missing.length > 0) {
    bench.row({
      what: "authd get, the whole process",
      measured: node ? (await node()) / 1000 : Number.NaN,
      unit: "ms",
      detail: `the Node command; left out for want of ${missing.join(" and ")}: native`,
    });
    return;
  }
  const { peers, absent } = await startPeers(bench);
  const each = await compare(bench.quick ? 1 : 15, {
    floor: time(100, floor!, home.socket, "bench"),
    native: time(100, NATIVE_COMMAND, "get", "bench"),
    node,
    ...Object.fromEntries(
      Array.from(peers, ([name, peer]) => [name, timeIn(peer.env, 100, ...peer.command)]),
    ),
  } as Record<string, () => Promise<number>>);
  const { floor: least, native, node: slow } = each as Record<string, Compared>;
  const microseconds = (name: string) => `${name} ${number(each[name]!.value)} µs`;
  const others = [...peers.keys()].map(microseconds);
  const without = absent.map((name) => `left out: ${name}`);
  const command = `the Node command ${number(slow!.value / 1000)} ms`;
  const ours = `native ${number(native!.value)} µs, static C program ${number(least!.value)} µs; ${native!.spread}`;
  bench.row({
    what: "authd get, native, the whole process",
    measured: native!.ratio,
    most: MOST_OF_FLOOR,
    detail: [ours, command, ...others, ...without].join("; "),
  });
  if (!peers.has("oidc-token")) return;
  bench.row({
    what: "authd get, native, against oidc-token",
    measured: native!.value / each["oidc-token"]!.value,
    most: MOST_OF_OIDC_TOKEN,
    detail: `native ${number(native!.value)} µs, ${microseconds("oidc-token")}`,
  });
});

async function startPeers(bench: Bench): Promise<{ peers: Map<PeerName, Peer>; absent: string[] }> {
  const peers = new Map<PeerName, Peer>();
  const absent: string[] = [];
  for (const name of PEER_NAMES) {
    const peer = await startPeer(bench, name);
    if (typeof peer === "string") absent.push(peer);
    else peers.set(name, peer);
  }
  return { peers, absent };
}

function compile({ folder }: Bench, name: string, options: readonly string[]): string | undefined {
  const program = join(folder, name);
  const source = join(ROOT, `bench/helpers/${name}.c`);
  const { status } = spawnSync("cc", [...options, "-o", program, source], { stdio: "ignore" });
  return status === 0 ? program : undefined;
}
