/** A network namespace for each host, with one way to the store and one to the issuers, each of which can be cut. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import type { Bench } from "../helpers/bench.ts";

const run = promisify(execFile);

export type Way = "store" | "issuer";
const NUMBERS = { store: 1, issuer: 2 } as const;

/** The address of the store, and that of the issuers. */
export const addressOf = (way: Way) => `10.77.${NUMBERS[way]}.254`;

/** Where one host is. */
export interface Place {
  /** A program and its arguments that starts another one there, in its own place. */
  readonly through: readonly string[];
  /** Its address as the issuers see it. */
  readonly address: string;
  /** From now on packets get lost, in both directions. */
  cut(way: Way): Promise<void>;
  heal(way: Way): Promise<void>;
}

/**
 * Runs this program once more, in a network namespace that is gone with it. Resolves with its exit code, or with
 * undefined if this is that one. Rejects for anybody but root.
 */
export async function isolated(): Promise<number | undefined> {
  if (process.argv.includes("--isolated")) return undefined;
  if (process.geteuid?.() !== 0) throw new Error("network namespaces need root");
  const [node, ...rest] = [process.execPath, ...process.argv.slice(1), "--isolated"];
  const child = spawn("unshare", ["--net", node, ...rest], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  const [code] = await once(child, "exit");
  return code ?? 1;
}

/** Makes two bridges, and a namespace for each of so many hosts. */
export async function makeNetwork(bench: Bench, hosts: number): Promise<Place[]> {
  await ip("link set lo up");
  for (const way of ["store", "issuer"] as const) {
    await ip(`link add ${way} type bridge`);
    bench.defer(() => ip(`link delete ${way}`));
    await ip(`addr add ${addressOf(way)}/24 dev ${way}`);
    await ip(`link set ${way} up`);
  }
  const places: Place[] = [];
  for (let host = 1; host <= hosts; host++) places.push(await makePlace(bench, host));
  return places;
}

async function makePlace(bench: Bench, host: number): Promise<Place> {
  // It lives as long as a process in it.
  const holder = spawn("unshare", ["--net", "sh", "-c", "echo; exec sleep infinity"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(holder, "exit");
  bench.defer(async () => {
    holder.kill("SIGKILL");
    await ended;
  });
  await once(holder.stdout, "data");
  const through = ["nsenter", `--net=/proc/${holder.pid}/ns/net`];
  await ip("link set lo up", through);
  for (const way of ["store", "issuer"] as const) {
    await ip(`link add ${way}${host} type veth peer name ${way} netns ${holder.pid}`);
    bench.defer(() => ip(`link delete ${way}${host}`));
    await ip(`link set ${way}${host} master ${way} up`);
    await ip(`addr add 10.77.${NUMBERS[way]}.${host}/24 dev ${way}`, through);
    await ip(`link set ${way} up`, through);
  }
  return {
    through,
    address: `10.77.${NUMBERS.issuer}.${host}`,
    // The cable stays in, as it does where a switch on the way loses packets.
    cut: (way) => ip(`link set ${way}${host} nomaster`),
    heal: (way) => ip(`link set ${way}${host} master ${way}`),
  };
}

async function ip(words: string, through: readonly string[] = []): Promise<void> {
  const [program = "", ...args] = [...through, "ip", ...words.split(" ")];
  await run(program, args);
}
