/** Signals of systemd-logind on the system bus: org.freedesktop.login1(5). */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { LockStatus } from "../protocol.ts";
import { busEnvironment, SupervisedProcess } from "./supervised-process.ts";

type LockEvent = "suspend" | "screen";

export interface LogindOptions {
  env: NodeJS.ProcessEnv;
  clock: Clock;
  log: Log;
  events: readonly LockEvent[];
  /** Locks the vault; never rejects. The machine does not sleep before it resolves, within logind's limit (5 s). */
  lock: (event: LockEvent) => Promise<void>;
  platform?: NodeJS.Platform;
}

const NAME = "org.freedesktop.login1";
const SESSION = `${NAME}.Session`;
/** Time that logind may take to say whose a session is. */
const BUS_TIMEOUT_MS = 2_000;

/**
 * Prints the signals of one bus name, and needs no privilege for that, unlike `busctl monitor`. Any
 * program may send signals with these names, but not under logind's bus name.
 */
const MONITOR = ["gdbus", "monitor", "--system", "--dest", NAME] as const;
/** Delays sleep until its input is closed. */
const INHIBIT = [
  ...(["systemd-inhibit", "--what=sleep", "--mode=delay", "--who=authd"] as const),
  ...(["--why=locks its vault before the machine sleeps", "cat"] as const),
] as const;

/** Locks the vault before the machine sleeps, and when a screen of the daemon's user is locked. */
export class Logind {
  readonly #options: LogindOptions;
  readonly #failures = new Map<"bus" | "inhibitor", string>();
  /** Failures that were logged last. */
  readonly #logged = new Map<"bus" | "inhibitor", string>();
  readonly #monitor: SupervisedProcess;
  readonly #inhibitor: SupervisedProcess;

  constructor(options: LogindOptions) {
    const { env, clock, events, platform = process.platform } = options;
    this.#options = options;
    this.#monitor = new SupervisedProcess({
      ...{ command: MONITOR, env, clock },
      onLine: (line) => this.#onLine(line),
      onFailure: (why) => this.#fail("bus", why),
    });
    this.#inhibitor = new SupervisedProcess({
      ...{ command: INHIBIT, env, clock },
      onStart: () => this.#failures.delete("inhibitor"),
      onFailure: (why) => this.#fail("inhibitor", why),
    });
    if (events.length === 0) return;
    if (platform !== "linux") {
      this.#fail("bus", `there is no logind on ${platform}, so lock_on is without effect`);
      return;
    }
    this.#monitor.start();
    if (events.includes("suspend")) this.#inhibitor.start();
  }

  get status(): LockStatus["on"] {
    const bus = this.#failures.get("bus");
    return this.#options.events.map((event) => {
      const error = bus ?? (event === "suspend" ? this.#failures.get("inhibitor") : undefined);
      return { event, ...omitUndefined({ error }) };
    });
  }

  close(): void {
    this.#monitor.stop("signal");
    this.#inhibitor.stop("input");
  }

  /** Records a failure. Logs it once, until it is another. */
  #fail(where: "bus" | "inhibitor", why: string): void {
    this.#failures.set(where, why);
    if (this.#logged.get(where) === why) return;
    this.#logged.set(where, why);
    this.#options.log.warn({}, `authd can't tell when to lock (lock_on): ${why}`);
  }

  #onLine(line: string): void {
    if (line.startsWith(`The name ${NAME} is owned`)) this.#failures.delete("bus");
    else if (line.startsWith(`The name ${NAME} does not`)) this.#fail("bus", "there is no logind");
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
      void this.#onSleep(args.startsWith("true"));
    } else if (isLocking && events.includes("screen")) void this.#onScreenLock(path);
  }

  async #onSleep(begins: boolean): Promise<void> {
    if (begins) {
      await this.#options.lock("suspend");
      this.#inhibitor.stop("input");
    } else this.#inhibitor.start();
  }

  async #onScreenLock(path: string): Promise<void> {
    if (await this.#isOwn(path)) await this.#options.lock("screen");
  }

  /** True if the session is of the daemon's user. If logind does not say, it counts as one. */
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
