/** One host of a fleet: a real daemon in folders of its own, which can be started, stopped and killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, connect } from "../../src/client.ts";
import type { Bench } from "../helpers/bench.ts";
import { MAIN } from "../helpers/child.ts";
import { type Home, makeHome } from "../helpers/home.ts";
import { sealedRecord } from "../helpers/sealed-record.ts";
import type { Place } from "./network.ts";

const CRASHABLE = fileURLToPath(
  new URL("../../test/helpers/crashable-daemon-main.js", import.meta.url),
);
const SHIFTED = fileURLToPath(new URL("shifted-main.js", import.meta.url));

export interface StoreAddress {
  url: string;
  password: string;
  /** PEM. */
  ca?: string;
}

export interface HostOptions {
  name: string;
  place: Place | undefined;
  /** How far (ms) its wall clock is ahead. */
  shiftMs?: number;
}

export class FleetHost {
  readonly name: string;
  readonly place: Place | undefined;
  readonly client: Client;
  readonly #home: Home;
  readonly #log: string;
  readonly #shiftMs: number;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();

  constructor(bench: Bench, { name, place, shiftMs = 0 }: HostOptions) {
    this.name = name;
    this.place = place;
    this.#shiftMs = shiftMs;
    this.#home = makeHome(bench, name);
    this.#home.env.AUTHD_LOG_LEVEL = "warn";
    this.#log = join(this.#home.stateDir, "..", "log");
    this.client = connect({ socket: this.#home.socket });
    bench.defer(async () => {
      this.client.close();
      await this.kill();
    });
  }

  /** Writes `[store]`: the host does not share it yet. */
  knows({ url, password, ca }: StoreAddress): void {
    const { configDir } = this.#home;
    const file = (name: string, text: string) => {
      writeFileSync(join(configDir, name), text, { mode: 0o600 });
      return JSON.stringify(join(configDir, name));
    };
    const lines = ["[store]", `url = ${JSON.stringify(url)}`, `host = "${this.name}"`];
    lines.push(`password_file = ${file("store-password", password)}`);
    if (ca !== undefined) lines.push(`ca_file = ${file("store-ca.pem", ca)}`);
    file("config.toml", `${lines.join("\n")}\n`);
  }

  /** Starts the daemon. `crashable`: it can be told where to end itself (`endAt`). */
  async start({ crashable = false } = {}): Promise<void> {
    const main = crashable ? CRASHABLE : this.#shiftMs === 0 ? MAIN : SHIFTED;
    const { place } = this;
    const [program = "", ...args] = [...(place?.through ?? []), process.execPath, main, "serve"];
    mkdirSync(join(this.#log, ".."), { recursive: true });
    const log = openSync(this.#log, "a");
    const child = spawn(program, args, {
      env: { ...this.#home.env, ...(main === SHIFTED && { BENCH_SHIFT_MS: `${this.#shiftMs}` }) },
      stdio: ["ignore", "pipe", log, ...(crashable ? ["ipc" as const] : [])],
    });
    closeSync(log);
    this.#child = child;
    this.#ended = once(child, "exit");
    await this.#unlessEnded(once(child.stdout!, "data"));
  }

  async #unlessEnded(event: Promise<unknown>): Promise<void> {
    const ended = this.#ended.then(() =>
      Promise.reject(new Error(`${this.name} ended: ${this.said}`)),
    );
    await Promise.race([event, ended]);
  }

  /** Lets a crashable daemon end itself at a point of its next refresh. */
  async endAt(point: string): Promise<void> {
    const armed = once(this.#child!, "message");
    this.#child!.send(point);
    await this.#unlessEnded(armed);
  }

  /** Resolves when the daemon is gone. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#ended;
  }

  /** Stops the process where it is. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** The refresh token on its disk; undefined: it has none. */
  refreshTokenOf(name: string): string | undefined {
    try {
      return sealedRecord(join(this.#home.stateDir, "vault"), name).secrets.refresh_token;
    } catch {
      return undefined;
    }
  }

  /** The last that its daemon said. */
  get said(): string {
    return readFileSync(this.#log, "utf8").slice(-1_500);
  }
}
