/** A daemon that is there to be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { MAIN } from "./child.ts";
import type { Home } from "./home.ts";

/** How much of what it said is kept for an account, in characters. */
const KEPT = 4_000;

export class Victim {
  /** The last that it said on standard error. */
  said = "";
  /** Resolves when it listens; rejects if it ends before that. */
  readonly ready: Promise<void>;
  /** It ended although nobody killed it. */
  died = false;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #killed = false;

  constructor({ env }: Pick<Home, "env">) {
    this.#child = spawn(process.execPath, [MAIN, "serve"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#child;
    stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.said = (this.said + text).slice(-KEPT);
    });
    this.#ended = once(this.#child, "close").then(() => {
      this.died = !this.#killed;
    });
    this.ready = new Promise((resolve, reject) => {
      stdout!.once("data", () => resolve());
      void this.#ended.then(() => reject(new Error(`the daemon ended by itself: ${this.said}`)));
    });
    this.ready.catch(() => {});
  }

  /** SIGKILL; resolves when its process is gone. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
