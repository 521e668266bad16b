import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { differences } from "../like.ts";
import type { Scope } from "../scope.ts";
import { until } from "../until.ts";
import type { Command, Expected, Feature } from "./case.ts";
import { short } from "./scripted-server.ts";

/** How a driver is run. */
export interface Program {
  command: string;
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
}

/** One line that a driver has written. */
export type Line = Record<string, unknown> & { call?: number };

/** How long (ms) a line may take; a runtime may have to start first. */
const LIMIT_MS = 30_000;
const START_LIMIT_MS = 120_000;

/** The program of a client that carries out commands; see test/conformance/README.md. */
export class Driver {
  /** Lines that no step has expected yet. */
  readonly unread: Line[] = [];
  features: readonly Feature[] = [];
  readonly #child: ChildProcess;
  readonly #bodies = new Map<number, Buffer>();
  #rest = "";
  #stderr = "";

  static async start(t: Scope, { command, args = [], env, cwd }: Program): Promise<Driver> {
    const child = spawn(command, args, { env: { ...process.env, ...env }, cwd, stdio: "pipe" });
    const driver = new Driver(child);
    t.teardown(() => driver.end());
    const { features } = await driver.#line(
      ({ client }) => client !== undefined,
      "its first line",
      START_LIMIT_MS,
    );
    driver.features = features as Feature[];
    return driver;
  }

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.once("error", (error) => {
      this.#stderr += error.message;
    });
    child.stdin!.on("error", () => {});
    child.stdout!.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_000);
    });
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.pid;
  }

  command(command: Command): void {
    if (command.do === "connect") this.#bodies.clear();
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  /** Waits for a line; what is expected is a part of it. */
  async expect(expected: Expected): Promise<void> {
    const { call, body, notification, ...rest } = expected;
    if (body !== undefined) return await this.#expectBody(call!, body);
    if (notification !== undefined) {
      const isIt = (line: Line) =>
        line.notification === notification && differences(line, rest).length === 0;
      return void (await this.#line(isIt, short(expected)));
    }
    const kind = Object.keys(rest)[0]!;
    const isAbout = (line: Line) =>
      line.call === call && ("result" in line || "error" in line || kind in line);
    const line = await this.#line(isAbout, short(expected));
    const differing = differences(line, rest);
    if (differing.length > 0)
      throw new Error(`call ${call}: ${short(differing)} in ${short(line)}`);
  }

  /** Ends standard input; returns the exit code. */
  async end(): Promise<number | null> {
    if (this.isOver) return this.#child.exitCode;
    const exit = once(this.#child, "exit");
    this.#child.stdin!.end();
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT_MS);
    const [code] = await exit;
    clearTimeout(kill);
    return code;
  }

  async #expectBody(call: number, body: string): Promise<void> {
    const come = () => this.#bodies.get(call) ?? Buffer.alloc(0);
    await until(() => come().length >= Buffer.byteLength(body) || this.isOver, {
      ...{ limitMs: LIMIT_MS, message: `the body of call ${call}` },
    }).catch((error: Error) => {
      throw new Error(`${error.message}: ${come().length} bytes came; ${this.#state()}`);
    });
    if (!come().equals(Buffer.from(body)))
      throw new Error(`call ${call}: the body is ${short(come().toString())}`);
  }

  async #line(isIt: (line: Line) => boolean, what: string, limitMs = LIMIT_MS): Promise<Line> {
    const find = () => this.unread.findIndex(isIt);
    const fail = (why: string) => new Error(`${why}: ${what}; ${this.#state()}`);
    await until(() => find() !== -1 || this.isOver, { limitMs, message: what }).catch(() => {
      throw fail("the driver did not write");
    });
    if (find() === -1) throw fail("the driver ended before");
    return this.unread.splice(find(), 1)[0]!;
  }

  #state(): string {
    return `unread: ${short(this.unread)}; stderr: ${this.#stderr}`;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const json of lines) {
      const line = JSON.parse(json) as Line & { chunk?: string };
      if (line.chunk === undefined) this.unread.push(line);
      else {
        const before = this.#bodies.get(line.call!) ?? Buffer.alloc(0);
        this.#bodies.set(line.call!, Buffer.concat([before, Buffer.from(line.chunk, "base64")]));
      }
    }
  }
}
