/** `authd status`, native and Node's: the same table for a pipe. */
import test, { type ExecutionContext } from "ava";
import { makeHome } from "../helpers/daemon.ts";
import { copyNative, NODE_COMMAND, runBoth } from "../helpers/native.ts";
import { startScriptedDaemon } from "../helpers/scripted-daemon.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const DAEMON = {
  ...{ version: "0.1.0", pid: 4711, socket: "/run/authd.sock", vaultKey: "file" },
  ...{ credentials: 1, connections: 2, pendingRefreshes: 0, states: {}, problems: [] },
  ...{ reporting: { notify: false }, lock: { locked: false, on: [] } },
};

/** What a daemon says that has run for some days; no time in it is near the border of a unit. */
async function daemon(
  t: ExecutionContext,
  status: object,
  credentials: readonly object[],
): Promise<NodeJS.ProcessEnv> {
  const now = Date.now();
  const at = (value: unknown) => (typeof value === "number" ? now + value : value);
  const times = ["expiresAt", "refreshAt", "retryAt", "lastAskedAt"];
  const whole = credentials.map((one) => {
    const members = Object.entries(one).map(([name, value]) => [
      name,
      times.includes(name) ? at(value) : value,
    ]);
    const usual = { grant: "static", state: "ready", expiresAt: null, refreshAt: null };
    return { ...usual, origins: [], ...Object.fromEntries(members) };
  });
  const socket = await startScriptedDaemon(t, (method) => ({
    result:
      method === "status"
        ? { ...DAEMON, startedAt: now - 5.3 * DAY, ...status }
        : { credentials: whole },
  }));
  return { ...makeHome(t).env, AUTHD_SOCKET: socket };
}

const MANY = [
  { name: "api-10", origins: ["https://api.example:8443"], expiresAt: 52.3 * HOUR },
  {
    name: "api-2",
    preset: "labelf",
    expiresAt: -3.3 * HOUR,
    refreshAt: -1,
    lastAskedAt: -2.3 * DAY,
  },
  { name: "a_b", state: "failing", retryAt: 3.3 * HOUR, lastError: { message: "away\u001b[1m" } },
  { name: "a.b", state: "login_required", lastError: { message: "sign in" } },
  { name: "a-b", unsaved: { what: "tokens", message: "the disk is full" } },
  { name: "ab", state: "idle", origins: ["https://*.example.com", "https://b.example"] },
  { name: "api", troubles: [{ reason: "blocked", message: "a firewall" }], expiresAt: 2.3 * DAY },
  { name: "b1", troubles: [{ reason: "lifetime", message: "shorter" }], refreshAt: 2.3 * HOUR },
  { name: "b01", notes: [{ message: "an hour is assumed" }] },
  { name: "c", untested: true, lastAskedAt: -4.3 * HOUR },
  { name: "d", state: "locked", lastError: { message: "locked" } },
  { name: "e", state: "changed" },
  { name: "f", state: "refreshing", expiresAt: 900 * DAY },
  { name: "f2", state: "damaged", lastError: { message: "line 3" } },
  { name: "g", state: "rejected", troubles: [{ reason: "other", message: "m" }] },
];

const STATUS = {
  credentials: MANY.length,
  connections: 1,
  unsaved: ["a-b", "x"],
  states: { ready: 6, idle: 2, failing: 1, locked: 0, login_required: 1 },
  reporting: {
    ...{ notify: true, hook: { to: "/bin/hook", error: "ended with 1" } },
    ...{ metricsFile: { to: "/tmp/m" }, metricsListen: { to: "[::1]:1", error: "in use" } },
  },
  lock: {
    ...{ locked: true, why: "a person locked it", problem: "no bus" },
    on: [{ event: "suspend", error: "no bus" }, { event: "screen", error: "none" }, { event: "x" }],
  },
  problems: [
    { credential: "a.b", reason: "login_required", message: "m", help: "authd login a.b" },
    { reason: "audit", message: "m", help: "make room" },
    { reason: "vault_locked", message: "m", help: "authd unlock" },
  ],
};

test("the table is the same from both", async (t) => {
  const native = copyNative(t);
  const many = Array.from({ length: 23 }, () => STATUS.problems[0]);
  for (const [status, credentials] of [
    [{}, []],
    [{}, MANY.slice(0, 1)],
    [STATUS, MANY],
    [{ ...STATUS, problems: many, lock: undefined, unsaved: undefined }, MANY.slice(2, 7)],
  ] as const) {
    const env = await daemon(t, status, credentials);
    const { byNode, byNative } = await runBoth(t, native, ["status"], env);
    t.deepEqual(byNative, byNode);
    t.is(byNode.code, 0, byNode.stderr);
    t.regex(byNode.stdout, /^authd 0\.1\.0 · pid 4711 · up 5 days · /);
  }
});

test("what takes more than plain letters is the Node command's", async (t) => {
  const [alone, native] = [copyNative(t), copyNative(t, NODE_COMMAND)];
  for (const [words, status, credential, more] of [
    [["status"], {}, { name: "a", preset: "größer" }, {}],
    [["status"], {}, { name: "a", origins: ["https://größer.example"] }, {}],
    [["status"], {}, { name: "a", secretExpires: "2027-01-31" }, {}],
    [["status"], { version: "0.0.1" }, { name: "a" }, {}],
    [["status"], {}, { name: "a" }, { FORCE_COLOR: "1" }],
    [["status", "--nonsense"], {}, { name: "a" }, {}],
    [["status", "a"], {}, { name: "a" }, {}],
  ] as const) {
    const env = { ...(await daemon(t, status, [credential])), ...more };
    const { byNode, byNative } = await runBoth(t, native, words, env);
    t.deepEqual(byNative, byNode);
    const { byNative: byAlone } = await runBoth(t, alone, words, env);
    t.regex(byAlone.stderr, /does not know where authd's Node command is/);
  }
});
