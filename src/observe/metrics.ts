import { setImmediate as nextTurn } from "node:timers/promises";
import type { Counter, Histogram } from "prom-client";
import { version } from "../base/version.ts";
import { AuthdError } from "../errors.ts";
import type { CredentialInfo, EventPayload, Problem } from "../protocol.ts";
import type { Interceptor } from "../rpc/compose.ts";
import { type StoreFigures, StoreMetrics } from "./store-metrics.ts";

export interface MetricsOptions {
  /** Yields credentials one by one, each as it is at that moment. */
  each(): Iterable<Pick<CredentialInfo, "name" | "state" | "expiresAt">>;
  problems(): readonly Problem[];
  /** Undefined: this host shares no store. */
  store(): StoreFigures | undefined;
  /** Called when a metric may have changed. */
  onChange(): void;
}

/** Metrics for Prometheus; docs/configuration.md lists every name. */
export interface Metrics {
  readonly contentType: string;
  hear(happened: EventPayload): void;
  /** Counts calls by their outcome. */
  readonly intercept: Interceptor;
  /** Returns all metrics in the text format. */
  text(): Promise<string>;
}

/** Others are served after so long (ms): with 10,000 credentials all of it takes some 0.3 s. */
const SLICE_MS = 5;
/** Seconds. */
const REFRESH_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const REQUEST_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Loads prom-client, which costs some 10 MB: only where metrics are asked for. */
export async function createMetrics(options: MetricsOptions): Promise<Metrics> {
  const { Counter, Gauge, Histogram, Registry } = await import("prom-client");
  const register = new Registry();
  const registers = [register];
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Gauge({ name, help, labelNames, registers });

  const refreshes = new Counter({
    name: "authd_refreshes_total",
    help: "Tokens obtained since the daemon's start.",
    labelNames: ["credential"],
    registers,
  });
  const failures = new Counter({
    name: "authd_refresh_failures_total",
    help: "Tokens that could not be obtained, by reason.",
    labelNames: ["credential", "reason"],
    registers,
  });
  const requests = new Counter({
    name: "authd_requests_total",
    help: "Requests on the socket, by method, and by outcome: ok, or the reason of the error.",
    labelNames: ["method", "outcome"],
    registers,
  });
  const refreshSeconds = new Histogram({
    name: "authd_refresh_duration_seconds",
    help: "From a token request to its whole answer, where a token was obtained.",
    buckets: REFRESH_BUCKETS,
    registers,
  });
  const requestSeconds = new Histogram({
    name: "authd_authorized_request_duration_seconds",
    help: "authorizedRequest, the wait for a token and the answer's body included.",
    buckets: REQUEST_BUCKETS,
    registers,
  });
  const expiry = gauge(
    "authd_token_expiry_timestamp_seconds",
    "When the token ends, in seconds since the epoch; absent where that is not known.",
    ["credential"],
  );
  const state = gauge("authd_credential_state", "1 for the state that a credential is in.", [
    "credential",
    "state",
  ]);
  const problem = gauge("authd_problem", "1 for everything that needs a person.", [
    "credential",
    "reason",
  ]);
  const build = gauge("authd_build_info", "1, with the versions of authd and of Node.", [
    "version",
    "node",
  ]);
  build.set({ version, node: process.version }, 1);

  const store = new StoreMetrics({ Counter, Gauge }, register);

  const measure = async () => {
    store.measure(options.store());
    for (const each of [expiry, state, problem]) each.reset();
    let began = performance.now();
    for (const { name, state: current, expiresAt } of options.each()) {
      refreshes.inc({ credential: name }, 0);
      state.set({ credential: name, state: current }, 1);
      if (expiresAt !== null) expiry.set({ credential: name }, expiresAt / 1_000);
      if (performance.now() - began < SLICE_MS) continue;
      await nextTurn();
      began = performance.now();
    }
    for (const { credential = "", reason } of options.problems()) {
      problem.set({ credential, reason }, 1);
    }
  };

  const make = async () => {
    await measure();
    const parts: string[] = [];
    for (const { name } of register.getMetricsAsArray()) {
      parts.push(await register.getSingleMetricAsString(name));
      await nextTurn();
    }
    return `${parts.join("\n\n")}\n`;
  };
  let making: Promise<string> | undefined;

  return {
    contentType: register.contentType,
    hear({ kind, credential, reason = "internal", tookMs }) {
      options.onChange();
      if (credential === undefined) return;
      if (kind === "refreshed") refreshes.inc({ credential });
      if (kind === "refreshed" && tookMs !== undefined) refreshSeconds.observe(tookMs / 1_000);
      if (kind === "refresh_failed") failures.inc({ credential, reason });
      if (kind === "removed") void forget(credential, refreshes, failures);
    },
    intercept: countCalls(requests, requestSeconds, options.onChange),
    // One text serves all requests that come meanwhile.
    text: () => {
      making ??= make().finally(() => {
        making = undefined;
      });
      return making;
    },
  };
}

/** Removes the series of a credential that is gone. */
async function forget(
  credential: string,
  refreshes: Counter<"credential">,
  failures: Counter<"credential" | "reason">,
): Promise<void> {
  refreshes.remove({ credential });
  const { values } = await failures.get();
  for (const { labels } of values) if (labels.credential === credential) failures.remove(labels);
}

function countCalls(
  requests: Counter<"method" | "outcome">,
  requestSeconds: Histogram,
  onChange: () => void,
): Interceptor {
  return (next, method) => {
    const ok = requests.labels({ method, outcome: "ok" });
    const isTimed = method === "authorizedRequest";
    const failed = (error: unknown): never => {
      const outcome = error instanceof AuthdError ? error.reason : "internal";
      requests.inc({ method, outcome });
      onChange();
      throw error;
    };
    const succeeded = <Result>(result: Result): Result => {
      ok.inc();
      onChange();
      return result;
    };
    return (params, call) => {
      const stop = isTimed ? requestSeconds.startTimer() : undefined;
      try {
        const result = next(params, call);
        if (!(result instanceof Promise)) return succeeded(result);
        return result.finally(stop).then(succeeded, failed);
      } catch (error) {
        return failed(error);
      }
    };
  };
}
