/**
 * Ordinary clients beside clients that are a nuisance, at the real daemon: what they notice, what
 * the daemon takes, and whether anything hangs.
 *
 *     node dist/bench/load.js [--only=CASE] [--seconds=4] [--rounds=3] [--share=1] [--quick]
 *
 * The ordinary ones ask at a fixed rate, and the p99 of their answers is compared with that of the
 * same clients a moment before, without the nuisance. Where a server that does nothing but answer
 * suffers from the same nuisance too (it is one machine), twice that is the bound; beside frames that
 * cost much to read or to answer, from a program of one's own or from a guest, it is three times the
 * p99. With --share
 * each nuisance is smaller. Exit code 1 if a promise is broken.
 */
import { chmodSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { clampToFdLimit } from "../src/daemon/fd-limit.ts";
import { number } from "./helpers/amounts.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { startDaemon, startProgram } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { Load } from "./helpers/load.ts";
import { median } from "./helpers/rounds.ts";
import { descriptors, peakRss, rss } from "./helpers/usage.ts";
import type { Found } from "./load/ordinary.ts";
import { Nuisance, Ordinary, type Told } from "./load/party.ts";
import { Wire } from "./load/wire.ts";

interface Case {
  /** Kinds of nuisance, and how many of each. */
  nuisances: Readonly<Record<string, number>>;
  /** MB, at most, at any moment. */
  rss: number;
  /** File descriptors that the daemon may have. */
  descriptors?: number;
  /** It is made so large that nobody's small requests can be on time: only what is held counts. */
  heavy?: true;
  /** So many times the p99 without it are allowed, whatever a bare server suffers. */
  most?: number;
  /** How many credentials there are; one unless given. */
  credentials?: number;
  /** The nuisance is another user, let in by `[access]` and named by no rule. Takes root. */
  guest?: true;
}

/** Frames that cost much to read or to answer; see load/floods.ts. */
const FLOODS: Readonly<Record<string, Partial<Case>>> = {
  "empty-arrays": {},
  nested: {},
  "header-names": {},
  "one-string": {},
  "long-body": {},
  invalid: {},
  unparsable: {},
  batches: {},
  "unknown-methods": {},
  "huge-ids": {},
  uploads: {},
  lists: { credentials: 10_000, rss: 600 },
  "unknown-names": { credentials: 10_000, rss: 600 },
  statuses: { credentials: 10_000, rss: 600 },
};
/** No account has it. */
const GUEST = 64_120;

function floodCases(): Record<string, Case> {
  const cases: Record<string, Case> = {};
  for (const [kind, given] of Object.entries(FLOODS)) {
    const flood: Case = { nuisances: { [kind]: 1 }, rss: 300, most: 3, ...given };
    cases[kind] = flood;
    cases[`guest-${kind}`] = { ...flood, guest: true };
  }
  return cases;
}

const CASES: Readonly<Record<string, Case>> = {
  idle: { nuisances: { idle: 5000 }, rss: 300 },
  drip: { nuisances: { drip: 500 }, rss: 200 },
  unread: { nuisances: { unread: 64 }, rss: 400 },
  "unread-stream": { nuisances: { "unread-stream": 32 }, rss: 300 },
  "unread-large": { nuisances: { "unread-large": 300 }, rss: 600 },
  large: { nuisances: { large: 300 }, rss: 700, heavy: true },
  churn: { nuisances: { churn: 100_000 }, rss: 200 },
  slow: { nuisances: { slow: 1000 }, rss: 250 },
  tokens: { nuisances: { tokens: 1000 }, rss: 200 },
  descriptors: { nuisances: { greedy: 1000 }, rss: 200, descriptors: 400 },
  all: {
    nuisances: {
      idle: 2000,
      drip: 200,
      unread: 16,
      "unread-stream": 16,
      "unread-large": 100,
      large: 100,
      churn: 20_000,
      slow: 200,
    },
    rss: 1000,
  },
  ...floodCases(),
};

interface Options {
  only: string | undefined;
  ms: number;
  rounds: number;
  /** Of each nuisance. */
  share: number;
}

/** p99 without and with the nuisance, in each round. */
interface Suffering {
  quiet: Found[];
  beside: Found[];
  told: Told[];
}

class Stage {
  readonly #bench: Bench;
  readonly #api: string;
  readonly #options: Options;

  constructor(bench: Bench, api: string, options: Options) {
    this.#bench = bench;
    this.#api = api;
    this.#options = options;
  }

  async play(name: string, given: Case): Promise<void> {
    const home = makeHome(this.#bench, name);
    const access = given.guest ? `socket_group = ${GUEST}\n[access]\nusers = [${GUEST}]\n` : "";
    const config = `max_connections = 6000\n${access}`;
    writeFileSync(join(home.configDir, "config.toml"), config, { mode: 0o600 });
    if (given.guest)
      for (const folder of [this.#bench.folder, dirname(home.socket)]) chmodSync(folder, 0o755);
    const file = `preset = "labelf"\nclient_id = "bench"\norigins = ["${this.#api}"]\n`;
    const names = Array.from({ length: given.credentials ?? 1 }, (_, i) =>
      i ? `more-${i}` : "bench",
    );
    await fillHome(home, new Map(names.map((name) => [name, file])));
    const through = given.descriptors
      ? ["prlimit", `--nofile=${given.descriptors}:${given.descriptors}`]
      : [];
    const daemon = await startDaemon(this.#bench, home, undefined, through);
    // What is loaded with the first request is no nuisance's doing.
    await request(home.socket, `${this.#api}/small`);
    // The audit log is opened with its first line, a little after the start.
    await sleep(1_000);
    const before = descriptors(daemon.pid);
    const suffering = await this.#suffer(home.socket, given, true);
    await this.#settle(daemon.pid, before);
    const after = { fds: descriptors(daemon.pid), rss: rss(daemon.pid) };
    const peak = peakRss(daemon.pid);
    // A bare server knows no such frames.
    const floor = given.most === undefined ? await this.#floor(name, home.socket, given) : 1;
    await daemon.stop();
    this.#report(name, given, suffering, floor);
    this.#bench.row({
      what: `${name}: RSS at most`,
      measured: peak,
      unit: "MB",
      most: given.rss,
      detail: `${number(after.rss)} MB afterwards`,
    });
    if (before === undefined || after.fds === undefined) return;
    this.#bench.row({
      what: `${name}: file descriptors left behind`,
      measured: Math.max(0, after.fds - before),
      unit: "",
      most: 0,
      detail: `${before} before, ${after.fds} after`,
    });
  }

  /** `patient`: the last nuisance may come to its end, so that what hangs is seen. */
  async #suffer(socket: string, { nuisances, guest }: Case, patient: boolean): Promise<Suffering> {
    const { ms, rounds, share } = this.#options;
    const ordinary = await Ordinary.start(this.#bench, {
      socket,
      clients: 64,
      rate: 2000,
      connects: 100,
    });
    const found: Suffering = { quiet: [], beside: [], told: [] };
    await ordinary.measure(ms / 4);
    for (let round = 1; round <= rounds; round++) {
      found.quiet.push(await ordinary.measure(ms));
      const wanted = Object.entries(nuisances).map(([kind, count]) =>
        Nuisance.start(
          this.#bench,
          kind,
          socket,
          this.#api,
          Math.ceil(count * share),
          guest && GUEST,
        ),
      );
      const started = await Promise.all(wanted);
      found.beside.push(await ordinary.measure(ms));
      if (patient && round === rounds)
        found.told = await Promise.all(started.map((each) => each.finish()));
      else await Promise.all(started.map((each) => each.stop()));
      await sleep(500);
    }
    await ordinary.stop();
    return found;
  }

  /** Of a server that only answers, with as many places. It knows nothing of APIs, so the same with less to do. */
  async #floor(name: string, authd: string, given: Case): Promise<number> {
    const load = await Load.open(authd, "lines", 1, { credential: "bench" });
    const { result } = await load.ask();
    load.close();
    const answer = join(this.#bench.folder, "answer.json");
    writeFileSync(answer, JSON.stringify(result));
    const socket = join(this.#bench.folder, `${name}.sock`);
    const connections = given.descriptors ? [`${affordableOf(given.descriptors)}`] : [];
    await startProgram(this.#bench, "bare-server.js", socket, answer, "each", ...connections);
    return ratio(await this.#suffer(socket, given, false));
  }

  /** Until kept-alive connections to the API are gone, too. */
  async #settle(pid: number, before: number | undefined): Promise<void> {
    const deadline = performance.now() + 15_000;
    while (performance.now() < deadline && (descriptors(pid) ?? 0) > (before ?? 0))
      await sleep(250);
  }

  #report(name: string, given: Case, suffering: Suffering, floor: number): void {
    const { quiet, beside, told } = suffering;
    const p99 = (all: readonly Found[]) => number(median(all.map((each) => each.p99)));
    const p50 = (all: readonly Found[]) => number(median(all.map((each) => each.p50)));
    const connecting = (all: readonly Found[]) =>
      number(median(all.map((each) => each.connectP99)));
    this.#bench.row({
      what: `${name}: p99 of ordinary clients`,
      measured: ratio(suffering),
      ...(given.heavy ? {} : { most: given.most ?? 2 * Math.max(1, floor) }),
      detail: `p50 ${p50(quiet)} → ${p50(beside)}, p99 ${p99(quiet)} → ${p99(beside)}, connecting ${connecting(quiet)} → ${connecting(beside)} ms${given.most === undefined ? `; bare server ${number(floor)} ×` : ""}`,
    });
    const failed = [...quiet, ...beside].reduce((sum, each) => sum + each.failed, 0);
    const refused = [...quiet, ...beside].reduce((sum, each) => sum + each.refused, 0);
    const asked = [...quiet, ...beside].reduce((sum, each) => sum + each.asked, 0);
    this.#bench.row({
      what: `${name}: ordinary requests that failed`,
      measured: failed + (given.descriptors ? 0 : refused),
      unit: "",
      most: 0,
      detail: `of ${asked}; ${refused} were turned away with their connection`,
    });
    const hung = told.flatMap((each) => each.hung ?? []);
    const tallies = told.flatMap(({ tally }) =>
      Object.entries(tally).map(([what, count]) => `${count} ${what}`),
    );
    this.#bench.row({
      what: `${name}: hangs`,
      measured: hung.length,
      unit: "",
      most: 0,
      detail: [...hung, ...tallies].join(", "),
    });
  }
}

async function request(socket: string, url: string): Promise<void> {
  const wire = new Wire(net.connect(socket));
  await wire.ask({ method: "authorizedRequest", params: { credential: "bench", url } });
  wire.close();
}

/** Clients that the daemon serves at once if it may have so many file descriptors. */
function affordableOf(limit: number): number {
  return clampToFdLimit({ connections: Number.POSITIVE_INFINITY, answers: 0 }, limit).connections;
}

/** p99 beside the nuisance to p99 without, the median of the rounds. */
function ratio({ quiet, beside }: Suffering): number {
  return median(beside.map((each, round) => each.p99 / quiet[round]!.p99));
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      seconds: { type: "string", default: "4" },
      rounds: { type: "string", default: "3" },
      share: { type: "string", default: "1" },
      quick: { type: "boolean", default: false },
    },
  });
  if (values.only !== undefined && !Object.hasOwn(CASES, values.only))
    throw new Error(`--only is one of ${Object.keys(CASES).join(", ")}`);
  if (values.quick) return { only: values.only, ms: 300, rounds: 1, share: 0.02 };
  return {
    only: values.only,
    ms: Number(values.seconds) * 1000,
    rounds: Number(values.rounds),
    share: Number(values.share),
  };
}

await run(async (bench) => {
  const options = readOptions();
  const api = await startProgram(bench, "../load/api.js");
  const setup = new Stage(bench, api, options);
  for (const [name, given] of Object.entries(CASES)) {
    if (options.only !== undefined && options.only !== name) continue;
    if (given.guest && process.geteuid?.() !== 0) {
      process.stderr.write(`${name} takes root: left out\n`);
      continue;
    }
    process.stderr.write(`${name} …\n`);
    await setup.play(name, given);
  }
});
