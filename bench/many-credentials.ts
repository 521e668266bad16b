/**
 * A daemon with 10,000 credentials of several kinds, all with cached tokens: how long it takes to
 * be ready, and what it takes while nobody asks for anything.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { startDaemon, startProgramProcess } from "./helpers/child.ts";
import { fillHome, type Home, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { compare, median } from "./helpers/rounds.ts";
import { cpuSeconds, rss } from "./helpers/usage.ts";

const TARGETS = { ready: 1.5, rssMB: 160, timers: 1, cpuPercent: 0.2 };
/** One or the other, by turns. */
const KINDS = [
  (n: number) => `preset = "labelf"\nclient_id = "client-${n}"\n`,
  () => `preset = "onestepai"\nregion = "eu"\n`,
  (n: number) => `preset = "zebbra"\nusername = "user-${n}"\nbase_url = "http://localhost:8000"\n`,
  (n: number) =>
    `preset = "realtyna"\nclient_id = "client-${n}"\ntoken_url = "https://auth.example.com/token"\nreferer = "https://site-${n}.example.com/"\n`,
  (n: number) =>
    `grant = "client_credentials"\ntoken_url = "https://issuer-${n % 100}.example.com/token"\nclient_id = "client-${n}"\nscope = "read write"\norigins = ["https://api-${n}.example.com"]\n`,
  (n: number) =>
    `grant = "refresh_token"\ntoken_url = "https://issuer-${n % 100}.example.com/token"\nclient_id = "client-${n}"\nwarm = "always"\norigins = ["https://api.example.com"]\n`,
  () => `grant = "static"\norigins = ["https://api.example.com"]\n`,
];

await run(async (bench) => {
  const count = bench.quick ? 50 : 10_000;
  const home = makeHome(bench);
  await fillHome(
    home,
    new Map(Array.from({ length: count }, (_, n) => [`bench-${n}`, KINDS[n % KINDS.length]!(n)])),
  );
  const name = `${count} credentials`;
  // Files are read in the order of their names.
  const last = { credential: `bench-${count - 1}` };

  const cpu: number[] = [];
  const allRead: number[] = [];
  const { bare, authd } = await compare(bench.quick ? 1 : 7, {
    bare: async () => {
      const program = await startProgramProcess(
        bench,
        "bare-start.js",
        home.configDir,
        home.stateDir,
      );
      await program.stop();
      return program.readyMs;
    },
    authd: async () => {
      const daemon = await startDaemon(bench, home);
      const readyMs = daemon.readyMs + (await timed(() => ask(home, "getToken", last)));
      allRead.push(readyMs + (await timed(() => ask(home, "status"))));
      cpu.push(cpuSeconds(daemon.pid));
      await daemon.stop();
      return readyMs;
    },
  });
  bench.row({
    what: `${name}, ready`,
    measured: authd.ratio,
    most: TARGETS.ready,
    detail:
      `from the start until the last one's token is handed out: authd ${number(authd.value)} ms, bare Node that reads ` +
      `the same files and opens the sealed ones ${number(bare.value)} ms; ${authd.spread}`,
  });
  bench.row({
    what: `${name}, every file read`,
    measured: median(allRead) / bare.value,
    detail: `authd serves from before on: ${number(median(allRead))} ms, ${number(median(cpu))} s of CPU`,
  });

  await measureIdle(bench, home, name);
  bench.row({
    what: `${name}, pending timers`,
    measured: await countTimers(bench, home),
    unit: "",
    most: TARGETS.timers,
    detail: "of the whole process",
  });
});

async function measureIdle(bench: Bench, home: Home, name: string): Promise<void> {
  const daemon = await startDaemon(bench, home);
  await ask(home, "getToken", { credential: "bench-17" });
  // What is left of the start, such as a collection of its garbage, is not idling.
  await sleep(bench.quick ? 100 : 15_000);
  const seconds = bench.quick ? 0.2 : 90;
  const before = cpuSeconds(daemon.pid);
  await sleep(seconds * 1000);
  const used = cpuSeconds(daemon.pid) - before;
  bench.row({
    what: `${name}, idle RSS`,
    measured: rss(daemon.pid),
    unit: "MB",
    most: TARGETS.rssMB,
    detail: "every one with a cached token of 900 characters",
  });
  bench.row({
    what: `${name}, idle CPU`,
    measured: (used / seconds) * 100,
    unit: "%",
    most: TARGETS.cpuPercent,
    detail: `${number(used * 1000)} ms in ${seconds} s`,
  });
  await daemon.stop();
}

/** Makes one call. Rejects if the answer is an error. */
async function ask(home: Home, method: string, params: object = {}): Promise<void> {
  const load = await Load.open(home.socket, "lines", 1, params, method);
  const { result, error } = await load.ask();
  load.close();
  if (!result) throw new Error(error?.message);
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function countTimers(bench: Bench, home: Home): Promise<number> {
  const file = join(bench.folder, "timers");
  const counter = fileURLToPath(new URL("helpers/counting-daemon.js", import.meta.url));
  const env = { ...home.env, BENCH_TIMERS_FILE: file };
  const daemon = await startDaemon(bench, { ...home, env }, counter);
  process.kill(daemon.pid, "SIGUSR2");
  while (!existsSync(file) || readFileSync(file, "utf8") === "") await sleep(20);
  await daemon.stop();
  return Number(readFileSync(file, "utf8"));
}
