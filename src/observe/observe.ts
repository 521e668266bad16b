import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { DaemonSettings } from "../config/settings.ts";
import type {
  CredentialInfo,
  DaemonEvent,
  EventPayload,
  EventsResult,
  PendingApproval,
  Problem,
  Reporting,
  State,
} from "../protocol.ts";
import type { HandlersWithoutUploads } from "../rpc/server.ts";
import { Alerts } from "./alerts.ts";
import { Desktop, hasDesktop } from "./desktop-notifier.ts";
import { History, type Query } from "./history.ts";
import { Hook } from "./hook.ts";
import type { Metrics } from "./metrics.ts";
import type { MetricsEndpoint } from "./metrics-endpoint.ts";
import type { MetricsFile } from "./metrics-file.ts";
import { NotifiedProblems } from "./notified-problems.ts";
import { auditProblem, lockedVault, manifestProblem, problemsOf } from "./problems.ts";

/** What there is to be observed. */
export interface StatusSource {
  /** One after another, each as it is when it is asked for. */
  each(): Iterable<CredentialInfo>;
  /** Those that may need a person, now or on some day. */
  suspects(): readonly CredentialInfo[];
  /** How many are in each state. */
  states(): Partial<Record<State, number>>;
  /** Undefined: there is no such credential. */
  info(name: string): CredentialInfo | undefined;
  /** Why the vault's key can't be had. */
  locked(): string | undefined;
  /** Why older sealed files could not be told at this start. */
  manifest?(): string | undefined;
  /** What is wrong with the audit log. */
  audit?(): string | undefined;
}

export interface ObserverOptions {
  env: NodeJS.ProcessEnv;
  stateDir: string;
  settings: DaemonSettings;
  clock: Clock;
  log: Log;
  startedAt: number;
  /** Clients that want to hear of it. */
  subscribers: { publish(happened: EventPayload): void; tell(event: DaemonEvent): void };
  observed: StatusSource;
}

/** The overall picture, for `status`. */
type Overview = {
  states: Partial<Record<State, number>>;
  problems: Problem[];
  reporting: Reporting;
};

/**
 * Hears of all that happens and passes it on: to those who subscribed, to the history, to metrics,
 * and where a person is needed to the desktop and to the hook.
 */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #history: History;
  readonly #alerts: Alerts;
  #settings: DaemonSettings;
  #hook: Hook | undefined;
  #desktop: Desktop | undefined;
  #metrics: Metrics | undefined;
  #file: MetricsFile | undefined;
  #endpoint: MetricsEndpoint | undefined;

  constructor(options: ObserverOptions) {
    const { clock, stateDir, observed } = options;
    this.#options = options;
    this.#settings = options.settings;
    this.#history = new History(clock.wall);
    this.configure(options.settings);
    this.#alerts = new Alerts({
      clock,
      told: new NotifiedProblems(join(stateDir, "told.json")),
      look: observed.info,
      suspects: () => observed.suspects().map(({ name }) => name),
      onEvent: (happened) => this.onEvent(happened),
      run: (occasion) => this.#hook?.run(occasion),
      show: (problems) => this.#desktop?.show(problems),
    });
  }

  /** Takes over `notify` and `hook`; metrics are as they were at the start. */
  configure(settings: DaemonSettings): void {
    const { env, log } = this.#options;
    const { hook, notify = hasDesktop(env) } = settings;
    this.#settings = settings;
    this.#desktop = notify ? (this.#desktop ?? new Desktop(env, log)) : undefined;
    if (JSON.stringify(hook) === JSON.stringify(this.#hook?.command)) return;
    const waiting = this.#hook?.close() ?? [];
    this.#hook = hook && new Hook({ command: hook, env, log });
    for (const occasion of waiting) this.#hook?.run(occasion);
  }

  onEvent(happened: EventPayload): void {
    const { subscribers } = this.#options;
    subscribers.publish(happened);
    const event = this.#history.record(happened);
    if (event) subscribers.tell(event);
    this.#alerts.hear(happened);
    this.#metrics?.hear(happened);
  }

  /** The settings were read again. */
  reloaded(settings: DaemonSettings): void {
    this.configure(settings);
    this.#alerts.lookAgain();
  }

  /** Somebody waits for a person's word, which no dialog asks for; `text`: for what. */
  asked({ id, credential }: PendingApproval, text: string): void {
    const help = `authd approve ${id}`;
    const problem = { credential, reason: "approval", message: text, help } as const;
    this.#hook?.run({ event: "approval", problem });
    this.#desktop?.show([problem]);
  }

  /** Called now and then. */
  tick(): void {
    this.#alerts.tick();
  }

  events(query: Query): EventsResult {
    return { ...this.#history.query(query), startedAt: this.#options.startedAt };
  }

  overview(): Overview {
    const states = this.#options.observed.states();
    return { states, problems: this.#problems(), reporting: this.#reporting() };
  }

  /** Loads what metrics need, where they are configured; returns the handlers, counted. */
  async withMetrics(handlers: HandlersWithoutUploads): Promise<HandlersWithoutUploads> {
    const { metricsFile, metricsListen } = this.#settings;
    if (metricsFile === undefined && metricsListen === undefined) return handlers;
    const { createMetrics } = await import("./metrics.ts");
    this.#metrics = await createMetrics({
      each: () => this.#options.observed.each(),
      problems: () => this.#problems(),
      onChange: () => this.#file?.changed(),
    });
    return this.#metrics.counted(handlers);
  }

  /** Opens the ways out for metrics. One that does not work is tried again, and harms nobody. */
  async start(): Promise<void> {
    const { log } = this.#options;
    const { metricsFile: path, metricsListen } = this.#settings;
    const metrics = this.#metrics;
    if (!metrics) return;
    const { contentType } = metrics;
    const text = () => metrics.text();
    if (path !== undefined) {
      const { MetricsFile } = await import("./metrics-file.ts");
      this.#file = new MetricsFile({ path, text, log });
    }
    if (metricsListen) {
      const { MetricsEndpoint } = await import("./metrics-endpoint.ts");
      this.#endpoint = new MetricsEndpoint({ ...metricsListen, contentType, text, log });
      await this.#endpoint.start();
    }
  }

  async close(): Promise<void> {
    this.#hook?.close();
    this.#desktop?.close();
    await Promise.all([this.#alerts.close(), this.#endpoint?.close(), this.#file?.close()]);
  }

  #problems(): Problem[] {
    const { observed, clock } = this.#options;
    const locked = observed.locked();
    const now = clock.wall();
    const audit = observed.audit?.();
    const manifest = observed.manifest?.();
    return [
      ...(manifest === undefined ? [] : [manifestProblem(manifest)]),
      ...(audit === undefined ? [] : [auditProblem(audit)]),
      ...(locked === undefined ? [] : [lockedVault(locked)]),
      ...observed.suspects().flatMap((info) => problemsOf(info, now)),
    ];
  }

  #reporting(): Reporting {
    return {
      notify: this.#desktop !== undefined,
      ...(this.#hook ? { hook: this.#hook.report } : {}),
      ...(this.#file ? { metricsFile: this.#file.report } : {}),
      ...(this.#endpoint ? { metricsListen: this.#endpoint.report } : {}),
    };
  }
}
