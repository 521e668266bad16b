/** The processes of a load: ordinary clients and nuisances, apart from the daemon and from each other. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Bench } from "../helpers/bench.ts";
import { ENV } from "../helpers/child.ts";
import type { Tally } from "./kinds.ts";
import type { Found } from "./ordinary.ts";

async function start(bench: Bench, file: string, args: readonly string[]): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { env: ENV });
  bench.defer(() => end(child));
  const exit = once(child, "exit").then(([code]) => {
    throw new Error(`${file} ${args[0]} ended with ${code} before it was ready`);
  });
  exit.catch(() => {});
  await Promise.race([once(child, "message"), exit]);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

export interface OrdinaryOptions {
  socket: string;
  clients: number;
  /** Requests a second of all of them; and how many more, each on a connection of its own. */
  rate: number;
  connects: number;
}

export class Ordinary {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(bench: Bench, options: OrdinaryOptions): Promise<Ordinary> {
    const { socket, clients, rate, connects } = options;
    return new Ordinary(
      await start(bench, "ordinary.js", [socket, `${clients}`, `${rate}`, `${connects}`]),
    );
  }

  async measure(ms: number): Promise<Found> {
    this.#child.send(ms);
    const [found] = await once(this.#child, "message");
    return found as Found;
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

export interface Told {
  tally: Tally;
  /** What has neither an answer nor a closed connection. */
  hung?: string;
}

export class Nuisance {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `uid`: as another user, which takes root. */
  static async start(
    bench: Bench,
    kind: string,
    socket: string,
    api: string,
    count: number,
    uid?: number,
  ) {
    const user = uid === undefined ? [] : [`${uid}`];
    return new Nuisance(
      await start(bench, "nuisance.js", [kind, socket, api, `${count}`, ...user]),
    );
  }

  /** Waits until all that it did has come to an end. */
  async finish(): Promise<Told> {
    const told = Promise.race([
      once(this.#child, "message"),
      once(this.#child, "exit").then(() => [{ tally: {}, hung: "the nuisance itself died" }]),
    ]);
    this.#child.send("end");
    const [said] = await told;
    await end(this.#child);
    return said as Told;
  }

  /** Ends it at once, connections and all. */
  stop(): Promise<void> {
    return end(this.#child);
  }
}
