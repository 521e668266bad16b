/** What systemd-logind tells on the system bus: org.freedesktop.login1(5). */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { LockStatus } from "../protocol.ts";
import { busEnvironment, SupervisedProcess } from "./supervised-process.ts";

export type LockEvent = "suspend" | "screen";

export interface LogindOptions {
  env: NodeJS.ProcessEnv;
  clock: Clock;
  log: Log;
  events: readonly LockEvent[];
  /** Never rejects: the machine does not sleep before it resolves, within what logind allows (5 s). */
  lock: (event: LockEvent) => Promise<void>;
  platform?: NodeJS.Platform;
}

const NAME = "org.freedesktop.login1";
const SESSION = `${NAME}.Session`;
/** How long (ms) logind may take to say whose a session is. */
const BUS_TIMEOUT_MS = 2_000;

/**
 * gdbus asks the bus for what this one name sends and needs no right for that: `busctl monitor` needs
 * root. Anybody may send signals of these names, but not under that one.
 */
const MONITOR = ["gdbus", "monitor", "--system", "--dest", NAME] as const;
/** Holds sleep up until its input is closed. */
const INHIBIT = [
  ...(["systemd-inhibit", "--what=sleep", "--mode=delay", "--who=authd"] as const),
  ...(["--why=locks its vault before the machine sleeps", "cat"] as const),
] as const;

/** Locks before the machine sleeps, and when a screen of our user's is locked. */
export class Logind {
  readonly #options: LogindOptions;
  readonly #troubles = new Map<"bus" | "inhibitor", string>();
  /** What was said of them last. */
  readonly #said = new Map<"bus" | "inhibitor", string>();
  readonly #monitor: SupervisedProcess;
  readonly #inhibitor: SupervisedProcess;

  constructor(options: LogindOptions) {
    const { env, clock, events, platform = process.platform } = options;
    this.#options = options;
    this.#monitor = new SupervisedProcess({
      ...{ command: MONITOR, env, clock },
      onLine: (line) => this.#hear(line),
      onTrouble: (why) => this.#trouble("bus", why),
    });
    this.#inhibitor = new SupervisedProcess({
      ...{ command: INHIBIT, env, clock },
      onStart: () => this.#troubles.delete("inhibitor"),
      onTrouble: (why) => this.#trouble("inhibitor", why),
    });
    if (events.length === 0) return;
    if (platform !== "linux") {
      this.#trouble("bus", `there is no logind on ${platform}, so lock_on is without effect`);
      return;
    }
    this.#monitor.start();
    if (events.includes("suspend")) this.#inhibitor.start();
  }

  get status(): LockStatus["on"] {
    const bus = this.#troubles.get("bus");
    return this.#options.events.map((event) => {
      const error = bus ?? (event === "suspend" ? this.#troubles.get("inhibitor") : undefined);
      return { event, ...(error === undefined ? {} : { error }) };
    });
  }

  close(): void {
    this.#monitor.stop("signal");
    this.#inhibitor.stop("input");
  }

  /** Said once, until it is something else. */
  #trouble(where: "bus" | "inhibitor", why: string): void {
    this.#troubles.set(where, why);
    if (this.#said.get(where) === why) return;
    this.#said.set(where, why);
    this.#options.log.warn({}, `authd can't tell when to lock (lock_on): ${why}`);
  }

  #hear(line: string): void {
    if (line.startsWith(`The name ${NAME} is owned`)) this.#troubles.delete("bus");
    else if (line.startsWith(`The name ${NAME} does not`))
      this.#trouble("bus", "there is no logind");
    const signal = /^(\/[\w/]*): (\S+) \((.*)\)$/.exec(line);
    if (!signal) return;
    const [, path = "", name = "", args = ""] = signal;
    const { events } = this.#options;
    const isLocking =
      name === `${SESSION}.Lock` ||
      (name === "org.freedesktop.DBus.Properties.PropertiesChanged" &&
        args.startsWith(`'${SESSION}'`) &&
        args.includes("'LockedHint': <true>"));
    if (name === `${NAME}.Manager.PrepareForSleep` && events.includes("suspend")) {
      void this.#sleep(args.startsWith("true"));
    } else if (isLocking && events.includes("screen")) void this.#screen(path);
  }

  async #sleep(begins: boolean): Promise<void> {
    if (begins) {
      await this.#options.lock("suspend");
      this.#inhibitor.stop("input");
    } else this.#inhibitor.start();
  }

  async #screen(path: string): Promise<void> {
    if (await this.#isOwn(path)) await this.#options.lock("screen");
  }

  /** Where logind does not say whose session it is, it counts as ours. */
  async #isOwn(path: string): Promise<boolean> {
    const { env } = this.#options;
    const { execFile } = await import("node:child_process");
    const { promisify } = await import("node:util");
    const method = ["--method", "org.freedesktop.DBus.Properties.Get", SESSION, "User"];
    const args = ["call", "--system", "--dest", NAME, "--object-path", path, ...method];
    try {
      const limits = { env: busEnvironment(env), timeout: BUS_TIMEOUT_MS };
      const { stdout } = await promisify(execFile)("gdbus", args, limits);
      const uid = /uint32 (\d+)/.exec(stdout)?.[1];
      return uid === undefined || Number(uid) === process.geteuid?.();
    } catch {
      return true;
    }
  }
}
