import test from "ava";
import { settingChanges } from "../../src/admin/setting-changes.ts";
import type { DaemonSettings } from "../../src/config/settings.ts";

const started: DaemonSettings = { vaultKey: "file", logLevel: "info", maxConnections: 9 };

test("what takes effect at once is told apart from what waits for a restart", (t) => {
  t.deepEqual(settingChanges(started, started, started), { taken: [], restart: [] });
  const now = { ...started, notify: false, lockAfter: 60_000, logLevel: "debug", socketGid: 7 };
  t.deepEqual(settingChanges(started, started, now), {
    taken: ["lock_after", "notify"],
    restart: ["log_level", "socket_group"],
  });
});

test("a second reload tells again what still waits, and nothing that is in effect", (t) => {
  const last = { ...started, notify: false, logLevel: "debug" };
  t.deepEqual(settingChanges(started, last, last), { taken: [], restart: ["log_level"] });
  t.deepEqual(settingChanges(started, last, started), { taken: ["notify"], restart: [] });
});
