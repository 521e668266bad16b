import test from "ava";
import { AuthdError } from "../../src/errors.ts";
import { createMetrics } from "../../src/observe/metrics.ts";
import type { StoreFigures } from "../../src/observe/store-metrics.ts";
import type { CredentialInfo, Problem } from "../../src/protocol.ts";
import type { HandlersWithoutUploads } from "../../src/rpc/call.ts";
import { compose } from "../../src/rpc/compose.ts";
import { infoOf } from "../helpers/credential-info.ts";
import { parseMetrics, valueIn } from "../helpers/prometheus.ts";

async function setup() {
  const infos = new Map<string, CredentialInfo>();
  const problems: Problem[] = [];
  const store: { figures?: StoreFigures } = {};
  let changes = 0;
  const metrics = await createMetrics({
    each: () => infos.values(),
    problems: () => problems,
    store: () => store.figures,
    onChange: () => void changes++,
  });
  const samples = async () => parseMetrics(await metrics.text());
  return { metrics, infos, problems, store, samples, changes: () => changes };
}

test("refreshes, failures by reason, expiry, state and problems", async (t) => {
  const { metrics, infos, problems, samples, changes } = await setup();
  infos.set("a", infoOf("a", { expiresAt: 1_900_000_000_500 }));
  infos.set("b", infoOf("b", { state: "rejected" }));
  problems.push({ credential: "b", reason: "credential_rejected", message: "no", help: "" });
  metrics.hear({ kind: "refreshed", credential: "a", expiresAt: 1, tookMs: 300 });
  metrics.hear({ kind: "refreshed", credential: "a", expiresAt: 1, tookMs: 700 });
  for (const reason of [
    "issuer_unavailable",
    "credential_rejected",
    "issuer_unavailable",
  ] as const) {
    metrics.hear({ kind: "refresh_failed", credential: "b", reason });
  }
  t.is(changes(), 5);
  const all = await samples();
  const value = (name: string, labels = {}) => valueIn(all, name, labels);
  t.is(value("authd_refreshes_total", { credential: "a" }), 2);
  t.is(value("authd_refreshes_total", { credential: "b" }), 0);
  const failures = (reason: string) =>
    value("authd_refresh_failures_total", { credential: "b", reason });
  t.is(failures("issuer_unavailable"), 2);
  t.is(failures("credential_rejected"), 1);
  t.is(value("authd_token_expiry_timestamp_seconds", { credential: "a" }), 1_900_000_000.5);
  t.is(value("authd_token_expiry_timestamp_seconds", { credential: "b" }), undefined);
  t.is(value("authd_credential_state", { credential: "b", state: "rejected" }), 1);
  t.is(value("authd_problem", { credential: "b", reason: "credential_rejected" }), 1);
  t.is(value("authd_refresh_duration_seconds_sum"), 1);
  t.is(value("authd_refresh_duration_seconds_bucket", { le: "0.5" }), 1);
  t.is(value("authd_build_info"), 1);
});

test("what is over or removed leaves no series behind", async (t) => {
  const { metrics, infos, problems, samples } = await setup();
  infos.set("a", infoOf("a", { state: "rejected", expiresAt: 1_000 }));
  problems.push({ credential: "a", reason: "credential_rejected", message: "no", help: "" });
  metrics.hear({ kind: "refreshed", credential: "a", expiresAt: 1, tookMs: 1 });
  metrics.hear({ kind: "refresh_failed", credential: "a", reason: "internal" });
  t.is((await samples()).filter(({ labels }) => labels.credential === "a").length, 5);
  infos.delete("a");
  problems.pop();
  metrics.hear({ kind: "removed", credential: "a" });
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(
    (await samples()).filter(({ labels }) => labels.credential === "a"),
    [],
  );
});

test("requests are counted by outcome; what is answered at once still is", async (t) => {
  const { metrics, samples } = await setup();
  const busy = new AuthdError("too_busy", "no");
  const answers: unknown[] = [{ accessToken: "x" }, Promise.resolve(7), Promise.reject(busy)];
  const handlers = {
    getToken: () => answers.shift(),
    authorizedRequest: () => {
      throw new Error("broken");
    },
  } as unknown as HandlersWithoutUploads;
  const { getToken, authorizedRequest } = compose(
    [metrics.intercept],
    handlers,
  ) as unknown as Record<string, () => unknown>;
  t.deepEqual(getToken!(), { accessToken: "x" });
  t.is(await getToken!(), 7);
  t.is(await t.throwsAsync(async () => await getToken!()), busy);
  t.throws(() => authorizedRequest!(), { message: "broken" });
  const all = await samples();
  const count = (method: string, outcome: string) =>
    valueIn(all, "authd_requests_total", { method, outcome });
  t.is(count("getToken", "ok"), 2);
  t.is(count("getToken", "too_busy"), 1);
  t.is(count("authorizedRequest", "internal"), 1);
});

test("names that could break the format are escaped", async (t) => {
  const { infos, samples } = await setup();
  infos.set("a", infoOf('a"\\\n', {}));
  t.truthy((await samples()).find(({ labels }) => labels.credential === 'a\\"\\\\\\n'));
});

test("a store's metrics are there as long as this host shares one", async (t) => {
  const { store, samples } = await setup();
  const told = async () => (await samples()).filter(({ name }) => name.startsWith("authd_store_"));
  t.deepEqual(await told(), []);
  const commits = { committed: 3, lost: 1, failed: 0 };
  store.figures = { isReached: false, syncedAt: 1_500, leases: 2, pending: 4, commits };
  const all = await told();
  const value = (name: string, labels = {}) => valueIn(all, name, labels);
  t.is(value("authd_store_reachable"), 0);
  t.is(value("authd_store_last_sync_timestamp_seconds"), 1.5);
  t.is(value("authd_store_leases"), 2);
  t.is(value("authd_store_pending_records"), 4);
  t.is(value("authd_store_commits_total", { outcome: "committed" }), 3);
  t.is(value("authd_store_commits_total", { outcome: "lost" }), 1);
  // Counted by whoever commits: the same once more, and no more.
  t.deepEqual(await told(), all);
  delete store.figures;
  t.deepEqual(await told(), []);
});
