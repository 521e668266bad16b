import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import type { DaemonSettings } from "../config/settings.ts";
import type {
  CredentialInfo,
  DaemonEvent,
  EventPayload,
  EventsResult,
  HealthResult,
  PendingApproval,
  Problem,
  Reporting,
  State,
} from "../protocol.ts";
import type { Interceptor } from "../rpc/compose.ts";
import { Alerts } from "./alerts.ts";
import { Desktop, hasDesktop } from "./desktop-notifier.ts";
import { History, type Query } from "./history.ts";
import { Hook } from "./hook.ts";
import { HookFailure } from "./hook-failure.ts";
import type { Metrics } from "./metrics.ts";
import type { MetricsEndpoint } from "./metrics-endpoint.ts";
import type { MetricsFile } from "./metrics-file.ts";
import { NotifiedProblems } from "./notified-problems.ts";
import {
  auditProblem,
  hookProblem,
  lockedVault,
  manifestProblem,
  problemsOf,
  socketProblem,
  storeProblem,
} from "./problems.ts";
import type { StoreFigures } from "./store-metrics.ts";

export type { StoreFigures };

/** State of the daemon that is reported. */
interface StatusSource {
  /** Yields credentials one after another, each with its state of that moment. */
  credentials(): Iterable<CredentialInfo>;
  /** Credentials that may need a person, now or later. */
  needingAttention(): readonly CredentialInfo[];
  /** False while credentials are still being read after a start. */
  isComplete(): boolean;
  /** Number of credentials in each state. */
  states(): Partial<Record<State, number>>;
  /** Returns undefined if there is no such credential. */
  info(name: string): CredentialInfo | undefined;
  /** Returns why the vault's key is not available. */
  locked(): string | undefined;
  /** Returns why older sealed files could not be recognized at this start. */
  manifest?(): string | undefined;
  /** Returns what is wrong with the audit log. */
  audit?(): string | undefined;
  /** Returns which restricted sockets can't be used, and why. */
  sockets?(): readonly string[];
  /** Returns whether the daemon can serve. */
  health(): HealthResult;
  /** Returns undefined if this host shares no store. */
  store(): StoreFigures | undefined;
}

export interface ObserverOptions {
  env: NodeJS.ProcessEnv;
  stateDir: string;
  settings: DaemonSettings;
  clock: Clock;
  log: Log;
  startedAt: number;
  /** Notifies the clients that subscribed. */
  subscribers: { publish(happened: EventPayload): void; tell(event: DaemonEvent): void };
  source: StatusSource;
}

/** Part of the answer to `status`. */
type Overview = {
  states: Partial<Record<State, number>>;
  problems: Problem[];
  reporting: Reporting;
};

/**
 * Receives every event and passes it on: to subscribed clients, to the history and to metrics; to the
 * desktop and the hook, if a person is needed.
 */
export class Observer {
  readonly #options: ObserverOptions;
  readonly #history: History;
  readonly #alerts: Alerts;
  #settings: DaemonSettings;
  #hook: Hook | undefined;
  readonly #hookFailure: HookFailure;
  #desktop: Desktop | undefined;
  #metrics: Metrics | undefined;
  #file: MetricsFile | undefined;
  #endpoint: MetricsEndpoint | undefined;

  constructor(options: ObserverOptions) {
    const { clock, stateDir, source } = options;
    this.#options = options;
    this.#settings = options.settings;
    this.#history = new History(clock.wall);
    this.#hookFailure = new HookFailure(join(stateDir, "hook.json"), options.settings.hook);
    this.configure(options.settings);
    this.#alerts = new Alerts({
      clock,
      notified: new NotifiedProblems(join(stateDir, "told.json")),
      info: source.info,
      needingAttention: () => source.needingAttention().map(({ name }) => name),
      isComplete: source.isComplete,
      emit: (event) => this.onEvent(event),
      runHook: (event) => this.#hook?.run(event),
      notify: (problems) => this.#desktop?.show(problems),
    });
    this.#reportHook();
  }

  /** Applies `notify` and `hook`. Metrics stay as they were at the start. */
  configure(settings: DaemonSettings): void {
    const { env, log } = this.#options;
    const { hook, notify = hasDesktop(env) } = settings;
    this.#settings = settings;
    this.#desktop = notify ? (this.#desktop ?? new Desktop(env, log)) : undefined;
    if (JSON.stringify(hook) === JSON.stringify(this.#hook?.command)) return;
    const waiting = this.#hook?.close() ?? [];
    const onEnd = (error: string | undefined) => {
      if (error === undefined) this.#hookFailure.clear();
      else this.#hookFailure.set(hook ?? [], error);
      this.#reportHook();
    };
    this.#hook = hook && new Hook({ command: hook, env, log, onEnd });
    for (const event of waiting) this.#hook?.run(event);
  }

  onEvent(happened: EventPayload): void {
    const { subscribers } = this.#options;
    subscribers.publish(happened);
    const event = this.#history.record(happened);
    if (event) subscribers.tell(event);
    this.#alerts.onEvent(happened);
    this.#metrics?.hear(happened);
  }

  /** Applies settings that were read again. */
  reloaded(settings: DaemonSettings): void {
    // A person has looked at the settings; the hook's next run tells whether that helped.
    this.#hookFailure.clear();
    this.configure(settings);
    this.#reportHook();
  }

  /** Reports a question that no dialog shows. `text` is the question. */
  onQuestion({ id, credential }: PendingApproval, text: string): void {
    const help = `authd approve ${id}`;
    const problem = { credential, reason: "approval", message: text, help } as const;
    this.#hook?.run({ event: "approval", problem });
    this.#desktop?.show([problem]);
  }

  /** Called with each outcome of a question to the store, and when this host shares none any more. */
  onStore(): void {
    this.#alerts.onDaemonProblem("store", this.#storeProblem());
  }

  /** Called with each tick of the registry's timer. */
  tick(): void {
    this.#alerts.tick();
  }

  events(query: Query): EventsResult {
    return { ...this.#history.query(query), startedAt: this.#options.startedAt };
  }

  overview(): Overview {
    const states = this.#options.source.states();
    return { states, problems: this.#problems(), reporting: this.#reporting() };
  }

  /** Returns the interceptor that counts calls, if any metrics are configured. */
  async metricsInterceptor(): Promise<Interceptor> {
    const { metricsFile, metricsListen } = this.#settings;
    if (metricsFile === undefined && metricsListen === undefined) return (next) => next;
    const { createMetrics } = await import("./metrics.ts");
    this.#metrics = await createMetrics({
      each: () => this.#options.source.credentials(),
      problems: () => this.#problems(),
      store: this.#options.source.store,
      onChange: () => this.#file?.changed(),
    });
    return this.#metrics.intercept;
  }

  /** Starts to write and to serve metrics. A file or port that does not work is tried again. */
  async start(): Promise<void> {
    const { log, source } = this.#options;
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
      this.#endpoint = new MetricsEndpoint({
        ...{ ...metricsListen, contentType, text, log },
        health: source.health,
      });
      await this.#endpoint.start();
    }
  }

  async close(): Promise<void> {
    this.#hook?.close();
    this.#desktop?.close();
    await Promise.all([
      this.#alerts.close(),
      this.#hookFailure.settled(),
      this.#endpoint?.close(),
      this.#file?.close(),
    ]);
  }

  #problems(): Problem[] {
    const { source, clock } = this.#options;
    const locked = source.locked();
    const now = clock.wall();
    const audit = source.audit?.();
    const manifest = source.manifest?.();
    const hook = this.#hookProblem();
    const store = this.#storeProblem();
    return [
      ...(manifest === undefined ? [] : [manifestProblem(manifest)]),
      ...(audit === undefined ? [] : [auditProblem(audit)]),
      ...(locked === undefined ? [] : [lockedVault(locked)]),
      ...(hook === undefined ? [] : [hook]),
      ...(store === undefined ? [] : [store]),
      ...(source.sockets?.() ?? []).map(socketProblem),
      ...source.needingAttention().flatMap((info) => problemsOf(info, now)),
    ];
  }

  #hookProblem(): Problem | undefined {
    const { error } = this.#hookFailure;
    return this.#hook && error !== undefined ? hookProblem(this.#hook.command, error) : undefined;
  }

  #storeProblem(): Problem | undefined {
    const { refusal } = this.#options.source.store() ?? {};
    return refusal === undefined ? undefined : storeProblem(refusal);
  }

  #reportHook(): void {
    this.#alerts.onDaemonProblem("hook", this.#hookProblem());
  }

  #reporting(): Reporting {
    return {
      notify: this.#desktop !== undefined,
      ...omitUndefined({
        hook: this.#hook?.report,
        metricsFile: this.#file?.report,
        metricsListen: this.#endpoint?.report,
      }),
    };
  }
}
