/** The audit log of a real daemon: who used what, what was refused, and what happens when it can't be written. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import type { AuditLine } from "../../src/audit/entry.ts";
import { sha256 } from "../../src/audit/files.ts";
import { verify } from "../../src/audit/verify.ts";
import { type AuthdError, type Client, connect } from "../../src/client.ts";
import { startLabelf } from "../../src/sandbox/labelf.ts";
import { type Daemon, type Home, makeHome, startDaemon } from "../helpers/daemon.ts";
import { DISK_FAULTS } from "../helpers/failing-disk.ts";
import { asRoot, onLinux } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";

const TOKEN = "not-a-real-token-of-anything";
const STATIC = {
  ...{ name: "fixed", grant: "static" },
  settings: { origins: ["http://127.0.0.1:1"] },
  secrets: { token: TOKEN },
};

const pathOf = ({ stateDir }: Home) => join(stateDir, "audit.log");
const read = (home: Home): AuditLine[] =>
  readFileSync(pathOf(home), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

function clientOf(t: ExecutionContext, { socket }: Home): Client {
  const client = connect({ socket });
  t.teardown(() => client.close());
  return client;
}

const mode = (audit: string) => ({ config: { "config.toml": `audit = "${audit}"\n` } });

test("uses, refusals and changes are lines: who, what, where to, how it ended; no secret, no path", async (t) => {
  const api = await startLabelf();
  t.teardown(() => api.close());
  const daemon = await startDaemon(t);
  await daemon.add("labelf", api);
  const token = (await daemon.cli(["get", "labelf"])).stdout.trim();
  const client = clientOf(t, daemon);
  const url = `${api.example.url}?secret=query-of-a-url`;
  const { status } = await client.authorizedRequest({ credential: "labelf", ...api.example, url });
  await t.throwsAsync(
    client.authorizedRequest({ credential: "labelf", url: "http://127.0.0.1:1/elsewhere" }),
  );
  await t.throwsAsync(client.getToken({ credential: "missing" }));
  await client.request("status", {});
  await client.request("credentials/list", {});
  await client.request("audit/head", {});

  const lines = read(daemon);
  t.deepEqual(
    lines.map(({ event, method, credential, outcome }) => [event, method, credential, outcome]),
    [
      ["daemon", undefined, undefined, "started"],
      ["change", "credentials/add", "labelf", "ok"],
      ["use", "getToken", "labelf", "ok"],
      ["use", "authorizedRequest", "labelf", "ok"],
      ["refusal", "authorizedRequest", "labelf", "origin_not_allowed"],
      ["refusal", "getToken", "missing", "unknown_credential"],
    ],
  );
  const [, , got, requested, refused] = lines;
  t.regex(got?.token ?? "", /^[0-9a-f]{12}$/);
  t.is(requested?.token, got?.token);
  t.not(got?.token, sha256(token).slice(0, 12), "nobody can compare it with hashes of their own");
  t.is(requested?.origin, new URL(api.url).origin);
  t.is(requested?.status, status);
  t.is(requested?.request, api.example.method);
  t.is(refused?.origin, "http://127.0.0.1:1");
  t.is(got?.peer?.uid, process.geteuid?.());
  if (process.platform === "linux") {
    t.is(requested?.peer?.pid, process.pid);
    t.is(requested?.peer?.program, process.execPath);
    t.is(got?.peer?.programPid, process.pid, "authd get counts as who started it");
  }
  const text = readFileSync(pathOf(daemon), "utf8");
  for (const secret of [token, "query-of-a-url", "elsewhere", new URL(api.example.url).pathname]) {
    t.false(text.includes(secret), secret);
  }
  for (const secret of Object.values(api.credential.secrets)) t.false(text.includes(secret));
  if (process.platform !== "win32") t.is(statSync(pathOf(daemon)).mode & 0o777, 0o600);
});

const sumOf = (lines: readonly AuditLine[]) => lines.reduce((sum, { count = 1 }) => sum + count, 0);

test("a thousand of the same in a moment are counted, none is missing", async (t) => {
  const daemon = await startDaemon(t);
  const client = clientOf(t, daemon);
  await client.request("credentials/add", STATIC);
  await Promise.all(Array.from({ length: 1000 }, () => client.getToken({ credential: "fixed" })));
  await client.request("audit/head", {});
  const uses = read(daemon).filter(({ event }) => event === "use");
  t.is(sumOf(uses), 1000);
  t.true(uses.length < 100, `${uses.length} lines`);
  t.deepEqual(verify(pathOf(daemon)).flaws, []);
});

test("across restarts it is one chain, with starts and ends in it", async (t) => {
  const home = makeHome(t);
  for (let round = 0; round < 3; round += 1) {
    const daemon = await startDaemon(t, { home });
    await daemon.stop();
  }
  t.deepEqual(
    read(home).map(({ outcome }) => outcome),
    ["started", "stopped", "started", "stopped", "started", "stopped"],
  );
  const { code, stdout } = await home.cli(["audit", "verify"]);
  t.is(code, 0, stdout);
  t.regex(stdout, /compared with audit.(last|head)/);
});

test('with audit = "off" nothing is written', async (t) => {
  const daemon = await startDaemon(t, mode("off"));
  const client = clientOf(t, daemon);
  await client.request("credentials/add", STATIC);
  await client.getToken({ credential: "fixed" });
  await daemon.stop();
  t.false(existsSync(pathOf(daemon)));
});

test('with audit = "required" nothing that was answered is missing after a SIGKILL', async (t) => {
  const daemon = await startDaemon(t, mode("required"));
  const client = clientOf(t, daemon);
  await client.request("credentials/add", STATIC);
  let answered = 0;
  const work = async () => {
    for (;;) {
      await client.getToken({ credential: "fixed" });
      answered += 1;
      if (answered === 700) process.kill(daemon.pid, "SIGKILL");
    }
  };
  await Promise.allSettled(Array.from({ length: 8 }, work));
  await daemon.ended;
  const kept = read({ ...daemon }).filter(({ event }) => event === "use");
  const counted = sumOf(kept);
  t.true(counted >= answered, `${counted} written, ${answered} answered`);
  t.deepEqual(verify(pathOf(daemon)).flaws, []);
});

/** Something is in the place of the log from the start. */
function blocked(t: ExecutionContext, audit: string): Home {
  const home = makeHome(t, mode(audit));
  mkdirSync(pathOf(home), { recursive: true, mode: 0o700 });
  return home;
}

async function assertShouts(t: ExecutionContext, daemon: Daemon) {
  const client = clientOf(t, daemon);
  await until(async () => (await client.request("status", {})).problems.length > 0);
  const { problems } = await client.request("status", {});
  t.is(problems[0]?.reason, "audit");
  t.regex(problems[0]?.message ?? "", /the audit log can't be written: .*audit.log/);
  const [status, doctor] = await Promise.all([daemon.cli(["status"]), daemon.cli(["doctor"])]);
  t.regex(status.stdout, /the audit log \(audit\)/);
  t.is(doctor.code, 1);
  t.regex(doctor.stdout, /✖ audit log +the audit log can't be written/);
}

test("a log that can't be written is told of everywhere; service goes on, and nothing is lost", async (t) => {
  const home = blocked(t, "on");
  const daemon = await startDaemon(t, { home });
  const client = clientOf(t, daemon);
  await client.request("credentials/add", STATIC);
  t.is((await client.getToken({ credential: "fixed" })).accessToken, TOKEN);
  await assertShouts(t, daemon);
  rmdirSync(pathOf(home));
  await until(async () => (await client.request("status", {})).problems.length === 0);
  t.deepEqual(
    read(home).map(({ method, outcome }) => method ?? outcome),
    ["started", "credentials/add", "getToken"],
  );
  const { events } = await client.request("events", {});
  const kinds = events.map(({ kind }) => kind).filter((kind) => kind.startsWith("audit"));
  t.deepEqual(kinds, ["audit_failed", "audit_written"]);
});

test('with audit = "required" a log that can\'t be written stops service, until it can be', async (t) => {
  const home = blocked(t, "required");
  const daemon = await startDaemon(t, { home });
  const client = clientOf(t, daemon);
  const refused = { message: /the audit log can't be written: .*required/ };
  await t.throwsAsync(client.request("credentials/add", STATIC), refused);
  t.deepEqual((await client.request("credentials/list", {})).credentials, [], "nothing was done");
  await t.throwsAsync(client.getToken({ credential: "fixed" }), refused);
  await assertShouts(t, daemon);
  rmdirSync(pathOf(home));
  await until(async () => (await client.request("status", {})).problems.length === 0);
  await client.request("credentials/add", STATIC);
  t.is((await client.getToken({ credential: "fixed" })).accessToken, TOKEN);
  t.is(read(home).at(-1)?.method, "getToken");
});

for (const audit of ["on", "required"] as const) {
  asRoot(
    `a full disk with audit = "${audit}": told of, and over when there is room again`,
    async (t) => {
      const home = makeHome(t, mode(audit));
      const place = await DISK_FAULTS["is full"].prepare(t, home);
      if (!place) return;
      const daemon = await startDaemon(t, { home, through: place.through });
      const client = clientOf(t, daemon);
      await client.request("credentials/add", STATIC);
      const mend = await place.strike(daemon.pid);
      let asked = 0;
      let answered = 0;
      // No two of them are one line.
      const ask = () => client.getToken({ credential: `missing-${asked++}` });
      const isTold = async () => (await client.request("status", {})).problems.length > 0;
      while (!(await isTold())) {
        // The last page that the file has may have room.
        const { reason } = await t.throwsAsync<AuthdError>(ask());
        if (reason === "unknown_credential") answered += 1;
      }
      const expected = audit === "required" ? /No space|no space/ : /There is no credential/;
      await t.throwsAsync(ask(), { message: expected });
      if (audit === "on") answered += 1;
      t.is((await client.request("health", {})).ready, audit === "on");
      await mend();
      await until(async () => !(await isTold()));
      const { n, waiting } = await client.request("audit/head", {});
      t.true(n >= answered, `${n} lines, ${answered} answered`);
      t.is(waiting, 0);
      await daemon.stop();
    },
  );
}

test("an end that was cut off while no daemon ran is found without one, and by the next one", async (t) => {
  const home = makeHome(t);
  const first = await startDaemon(t, { home });
  const client = connect({ socket: home.socket });
  await client.request("credentials/add", STATIC);
  for (let line = 0; line < 5; line += 1) {
    await client.getToken({ credential: "fixed" });
    // Each in a batch of its own.
    await client.request("audit/head", {});
  }
  client.close();
  await first.stop();
  const lines = readFileSync(pathOf(home), "utf8").trimEnd().split("\n");
  writeFileSync(pathOf(home), `${lines.slice(0, -3).join("\n")}\n`);
  const offline = await home.cli(["audit", "verify", "--json"]);
  t.is(offline.code, 1);
  t.regex(JSON.parse(offline.stdout).flaws[0].message, /the end is missing after it: 3 of 8 lines/);

  const second = await startDaemon(t, { home });
  await until(async () => (await second.cli(["status"])).stdout.includes("the audit log (audit)"));
  const running = await second.cli(["audit", "verify"]);
  t.is(running.code, 1);
  t.regex(running.stdout, /3 lines are missing before it \(number 6 to 8\)/);
});

const headOf = ({ stateDir }: Home) => join(stateDir, "audit.head");
const lastOf = ({ stateDir }: Home) => join(stateDir, "audit.last");

/** Lines of a daemon that is killed right after the last of them was written. */
async function killedAfter(t: ExecutionContext, home: Home, count: number): Promise<string[]> {
  const daemon = await startDaemon(t, { home });
  const client = connect({ socket: home.socket });
  for (let line = 0; line < count; line += 1) {
    await t.throwsAsync(client.getToken({ credential: "missing" }));
    // Each in a batch of its own.
    await client.request("audit/head", {});
  }
  process.kill(daemon.pid, "SIGKILL");
  await daemon.ended;
  client.close();
  return readFileSync(pathOf(home), "utf8").trimEnd().split("\n");
}

/** The log is not as it was: that shows without a daemon, and to the next one. */
async function assertNoticed(t: ExecutionContext, home: Home, says: RegExp) {
  const offline = await home.cli(["audit", "verify"]);
  t.is(offline.code, 1, offline.stdout);
  t.regex(offline.stdout, says);
  const daemon = await startDaemon(t, { home });
  t.is((await home.cli(["audit", "verify"])).code, 1);
  t.true(read(home).some(({ outcome }) => outcome === "tampered"));
  await daemon.stop();
}

onLinux("lines that are cut off after a SIGKILL are missed, the last one too", async (t) => {
  for (const cut of [1, 3]) {
    const home = makeHome(t);
    const lines = await killedAfter(t, home, 5);
    const sound = await home.cli(["audit", "verify"]);
    t.is(sound.code, 0, sound.stdout);
    t.regex(sound.stdout, /compared with audit\.last/);
    writeFileSync(pathOf(home), `${lines.slice(0, -cut).join("\n")}\n`);
    const says = new RegExp(`the end is missing after it: ${cut} of ${lines.length} lines`);
    await assertNoticed(t, home, says);
  }
});

onLinux(
  "audit.last that was removed, damaged, or made of audit.head is noticed in the same boot",
  async (t) => {
    for (const [spoil, says] of [
      [(home: Home) => rmSync(lastOf(home)), /audit\.last is missing/],
      [(home: Home) => writeFileSync(lastOf(home), "{}"), /audit\.last is damaged/],
      [(home: Home) => copyFileSync(headOf(home), lastOf(home)), /audit\.last was not made by/],
    ] as const) {
      const home = makeHome(t);
      const lines = await killedAfter(t, home, 4);
      const { n } = JSON.parse(readFileSync(headOf(home), "utf8"));
      t.true(n < lines.length, "it is written every 30 s");
      writeFileSync(pathOf(home), `${lines.slice(0, n).join("\n")}\n`);
      spoil(home);
      await assertNoticed(t, home, says);
    }
  },
);

test("killed again and again, an honest log is never taken for another", async (t) => {
  const home = makeHome(t);
  for (let round = 0; round < 4; round += 1) {
    const daemon = await startDaemon(t, { home });
    const client = connect({ socket: home.socket });
    const work = async () => {
      for (let isUp = true; isUp; ) {
        const failed = await client.getToken({ credential: "missing" }).catch((error) => error);
        isUp = failed.reason === "unknown_credential";
      }
    };
    const working = Promise.all([work(), work()]);
    await sleep(60 + Math.random() * 200);
    process.kill(daemon.pid, "SIGKILL");
    await daemon.ended;
    client.close();
    await working;
    const { code, stdout } = await home.cli(["audit", "verify"]);
    t.is(code, 0, stdout);
  }
  // As text: a kill may have cut a line off.
  t.notRegex(readFileSync(pathOf(home), "utf8"), /"outcome":"tampered"/);
});

test("a token's fingerprint is the same after a restart, another in another vault, and after a rekey", async (t) => {
  const homes = [makeHome(t), makeHome(t)];
  const prints: (string | undefined)[] = [];
  for (const home of [homes[0]!, homes[0]!, homes[1]!]) {
    const daemon = await startDaemon(t, { home });
    const client = connect({ socket: home.socket });
    await client.request("credentials/add", { ...STATIC, replace: true });
    await client.getToken({ credential: "fixed" });
    if (home === homes[1]) {
      await client.request("vault/rekey", { to: "file" });
      await client.request("lock", {}).catch(() => {});
      await client.request("credentials/add", { ...STATIC, replace: true });
      await client.getToken({ credential: "fixed" });
    }
    client.close();
    await daemon.stop();
  }
  for (const home of homes) {
    const uses = read(home).filter(({ event }) => event === "use");
    prints.push(...uses.map(({ token }) => token));
    t.is((await home.cli(["audit", "verify"])).code, 0);
  }
  const [first, again, elsewhere, rekeyed] = prints;
  t.is(first, again);
  t.is(new Set([first, elsewhere, rekeyed, sha256(TOKEN).slice(0, 12)]).size, 4);
});

test("a log that was cut off together with audit.head is noticed at the next start", async (t) => {
  for (const spoil of [
    (head: string) => rmSync(head),
    (head: string) => {
      const sealed = JSON.parse(readFileSync(head, "utf8"));
      writeFileSync(head, JSON.stringify({ ...sealed, keyId: "another" }));
    },
  ]) {
    const daemon = await startDaemon(t);
    const client = clientOf(t, daemon);
    await t.throwsAsync(client.getToken({ credential: "missing" }));
    client.close();
    await daemon.stop();
    const path = pathOf(daemon);
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    writeFileSync(path, `${lines.slice(0, -1).join("\n")}\n`);
    spoil(join(daemon.stateDir, "audit.head"));
    rmSync(join(daemon.stateDir, "audit.last"), { force: true });
    await startDaemon(t, { home: daemon });
    const { code, stdout } = await daemon.cli(["audit", "verify"]);
    t.is(code, 1);
    t.regex(stdout, /audit\.head (is missing|was made with another key)/);
    t.true(read(daemon).some(({ outcome }) => outcome === "tampered"));
  }
});

test("the end of authd by a client is a change, the end of its connection is nothing", async (t) => {
  const daemon = await startDaemon(t);
  for (const params of [{}, { daemon: true }]) {
    await clientOf(t, daemon).request("shutdown", params);
  }
  await daemon.ended;
  const ends = read(daemon).filter(({ method }) => method === "shutdown");
  t.deepEqual(
    ends.map(({ event, outcome }) => [event, outcome]),
    [["change", "ok"]],
  );
});
