/**
 * The whole process of `authd get`, as a script pays for it: the native command against a static C program that
 * makes the same call and nothing else, and the Node command. What is missing is left out by name.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NATIVE_COMMAND } from "../src/base/native-command.ts";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { MAIN, ROOT, runToEnd, startDaemon } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { compare, median } from "./helpers/rounds.ts";

const MOST = 1.15;

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  const spawnEach = compile(bench, "spawn-each", ["-O2"]);
  const floor = compile(bench, "get-once", ["-O2", "-static"]);
  const missing = existsSync(NATIVE_COMMAND) ? [] : ["the native command (npm run build:native)"];
  if (!spawnEach || !floor) missing.push("a C compiler with a static libc");
  const env = { ...home.env, PATH: process.env.PATH };
  const time =
    (runs: number, ...command: string[]) =>
    async () => {
      const args = [String(bench.quick ? 2 : runs), ...command];
      const printed = await runToEnd(spawnEach!, args, env);
      return median(printed.trim().split("\n").map(Number));
    };
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
  const each = await compare(bench.quick ? 1 : 15, {
    floor: time(100, floor!, home.socket, "bench"),
    native: time(100, NATIVE_COMMAND, "get", "bench"),
    node,
  });
  bench.row({
    what: "authd get, native, the whole process",
    measured: each.native.ratio,
    most: MOST,
    detail:
      `native ${number(each.native.value)} µs, static C program ${number(each.floor.value)} µs; ` +
      `${each.native.spread}; the Node command ${number(each.node.value / 1000)} ms`,
  });
});

function compile({ folder }: Bench, name: string, options: readonly string[]): string | undefined {
  const program = join(folder, name);
  const source = join(ROOT, `bench/helpers/${name}.c`);
  const { status } = spawnSync("cc", [...options, "-o", program, source], { stdio: "ignore" });
  return status === 0 ? program : undefined;
}
