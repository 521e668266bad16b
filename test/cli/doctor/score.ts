import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import type { Facts } from "../../../src/cli/doctor/facts.ts";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import { type Score, score } from "../../../src/cli/doctor/score.ts";
import { addMine, as, ownersCli, STRANGER, startOwnersDaemon } from "../../helpers/another-user.ts";
import { run } from "../../helpers/child.ts";
import type { Said } from "../../helpers/daemon.ts";
import { type Home, MAIN, startDaemon } from "../../helpers/daemon.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { readDocument } from "../../helpers/markdown.ts";
import { asRoot, onUnix } from "../../helpers/optional.ts";
import { startSharedDaemon } from "../../helpers/several-users.ts";
import { withUserManager } from "../../helpers/user-manager.ts";

const PASSPHRASE = "open sesame";
const STATIC = { credential: { grant: "static", settings: {}, secrets: { token: "made-up" } } };

interface Report {
  ok: boolean;
  findings: Finding[];
  score?: Score;
}

const read = ({ stdout }: Pick<Said, "stdout">): Report => JSON.parse(stdout);
const doctor = async ({ cli }: Pick<Home, "cli">) => read(await cli(["doctor", "--json"]));

function against({ score }: Report, attacker: string) {
  const result = score?.against.find((each) => each.attacker === attacker);
  return { mark: result?.mark, why: result?.why ?? "", next: result?.next };
}

onUnix(
  "a key file: expose = request is said not to hold against programs of the same user",
  async (t) => {
    const daemon = await startDaemon(t);
    await daemon.add("kept", STATIC as never, ["--set", "expose=request"]);
    const report = await doctor(daemon);
    t.is(report.score?.of, 9);
    const programs = against(report, "your programs");
    t.is(programs.mark, "fails");
    t.regex(programs.why, /can read the key file and open the vault/);
    t.regex(programs.why, /expose = "request" of kept does not hold against them/);
    t.regex(
      programs.next ?? "",
      /^authd vault rekey --to passphrase, or a daemon under its own user/,
    );
    t.is(against(report, "other users").mark, "holds");
    t.is(against(report, "open machine").mark, "fails");
    t.is(against(report, "stolen disk").mark, "unknown");
    t.is(against(report, "backup").mark, "fails");
    t.is(report.score?.next, "authd vault rekey --to passphrase");

    const { code, stdout } = await daemon.cli(["doctor"]);
    t.is(code, 0, "advice is no failure");
    t.regex(stdout, /^Holds against \d of 9 attackers:$/m);
    t.regex(stdout, /^✖ your programs +any of them can read the key file/m);
    t.regex(stdout, /^ {2}→ next: authd vault rekey --to passphrase$/m);
  },
);

onUnix(
  "a passphrase: locked without a credential is told; request and asked credentials hold",
  async (t) => {
    const daemon = await startDaemon(t, {
      env: { AUTHD_VAULT_KEY: "passphrase" },
      config: { "config.toml": 'lock_after = "30m"\n' },
    });
    const unlock = () => daemon.cli(["unlock", "--passphrase-from", "-"], { input: PASSPHRASE });
    t.is((await unlock()).code, 0);
    await daemon.stop();
    await startDaemon(t, { home: daemon });
    const locked = (await doctor(daemon)).findings.find(({ about }) => about === "vault key");
    t.is(locked?.level, "problem");
    t.is(locked?.fix, "authd unlock");
    t.regex(locked?.message ?? "", /^passphrase: /);
    t.is((await unlock()).code, 0);

    await daemon.add("kept", STATIC as never, ["--set", "expose=request"]);
    await daemon.add("asked", STATIC as never, ["--set", "confirm=always"]);
    const guarded = await doctor(daemon);
    t.is(against(guarded, "your programs").mark, "holds", against(guarded, "your programs").why);
    for (const attacker of ["open machine", "backup"])
      t.is(against(guarded, attacker).mark, "holds");
    t.regex(
      guarded.findings.find(({ about }) => about === "approvals")?.message ?? "",
      /^asked: no dialog; authd approve asks you/,
    );

    await daemon.add("open", STATIC as never);
    const open = against(await doctor(daemon), "your programs");
    t.like(open, { mark: "fails", next: "authd set open --set expose=request" });
    t.regex(open.why, /gets the tokens of open$/);

    const runtime = temporaryFolder(t);
    const folder = join(runtime, "credentials", "authd.service");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "authd-passphrase"), PASSPHRASE, { mode: 0o400 });
    const handed = read(
      await daemon.cli(["doctor", "--json"], { env: { XDG_RUNTIME_DIR: runtime } }),
    );
    t.regex(against(handed, "your programs").why, /can read the passphrase that systemd keeps/);
    t.is(against(handed, "open machine").mark, "partly");
  },
);

onUnix("what weakens a set-up is told with each attacker whom it helps", async (t) => {
  const rule = '[[allow]]\nexecutable = "/usr/bin/true"\n';
  const daemon = await startDaemon(t, {
    config: {
      "config.toml": 'audit = "off"\nproxy = "http://127.0.0.1:9"\n',
      "credentials/limited.toml": `grant = "static"\n${rule}`,
      "credentials/plain.toml":
        'grant = "static"\norigins = ["http://api.example"]\nallow_insecure_http = true\n',
    },
  });
  const report = await doctor(daemon);
  const programs = against(report, "your programs").why;
  t.regex(programs, /rules of limited are a seat belt/);
  t.regex(programs, /gets the tokens of plain/);
  t.regex(programs, /nobody can tell who used what/);
  t.like(against(report, "network"), { mark: "fails" });
  t.regex(against(report, "network").why, /reads the secrets of plain/);
  t.is(against(report, "edited settings").mark, "holds");
});

asRoot(
  "the daemon's user sees that its memory is out of reach; another user gets no score",
  async (t) => {
    const daemon = await startOwnersDaemon(t);
    await addMine(t, daemon, "made-up");
    const own = read(await ownersCli(t, daemon, ["doctor", "--json"]));
    t.is(own.score?.of, 9);
    t.notRegex(against(own, "your programs").why, /look into the daemon's memory/);
    t.notRegex(against(own, "stolen disk").why, /a crash may write/);
    const [command = "", ...args] = [...as(STRANGER), process.execPath, MAIN, "doctor", "--json"];
    const other = await run(t, command, args, { env: daemon.env });
    t.is(read(other).score, undefined);
  },
);

asRoot("one daemon for several users: what they are given is scored", async (t) => {
  const owner = { uid: 64_131, gid: 64_131, groups: [64_132] };
  const { socket, folder, configDir, client } = await startSharedDaemon(
    t,
    owner,
    "socket_group = 64132\n[access]\nusers = [64133]\n",
  );
  const add = (name: string, policy: object) =>
    client.request("credentials/add", {
      ...{ name, grant: "static", secrets: { token: "made-up" } },
      settings: { allow: [{ user: 64_133 }], ...policy },
    });
  await add("kept", { expose: "request" });
  const env = { PATH: process.env.PATH, HOME: folder, AUTHD_SOCKET: socket };
  const folders = { AUTHD_CONFIG_DIR: configDir, AUTHD_STATE_DIR: join(folder, "state") };
  const args = [MAIN, "doctor", "--json"];
  const examine = async () => read(await run(t, process.execPath, args, { env }));
  const holds = against(await examine(), "your programs");
  t.is(holds.mark, "holds", holds.why);
  t.is(against(await examine(), "network").mark, "unknown");
  t.is(against(await examine(), "other users").mark, "unknown");
  const { ok, findings } = await examine();
  t.true(ok, "another user's daemon is no fault of root's own");
  t.regex(JSON.stringify(findings), /user 64131's, not looked at: run this as root, with AUTHD_/);
  t.notRegex(JSON.stringify(findings), /chown|not made yet/);
  await add("given", {});
  const gives = against(await examine(), "your programs");
  t.is(gives.mark, "partly");
  t.regex(gives.why, /^those let in get the tokens of given$/);

  // As /etc/authd is.
  await run(t, "chown", ["-R", "0:0", configDir]);
  const known = read(await run(t, process.execPath, args, { env: { ...env, ...folders } }));
  t.true(known.ok, JSON.stringify(known.findings));
  t.is(against(known, "other users").mark, "holds", against(known, "other users").why);
  t.is(against(known, "network").mark, "holds");
});

test("an installed service is confined, and its memory stays out of swap", async (t) => {
  const ended = await withUserManager(
    t,
    `
    authd service install
    echo "score: $(authd doctor --json | tr -d '\\n')"
    authd service uninstall`,
  );
  if (!ended) return;
  const said = /^score: (.*)$/m.exec(ended.stdout)?.[1] ?? ended.stderr;
  const report = read({ stdout: said });
  for (const attacker of ["malicious API", "malicious issuer"]) {
    t.is(against(report, attacker).mark, "holds", against(report, attacker).why);
  }
  t.notRegex(against(report, "stolen disk").why, /swap|a crash/);
  t.notRegex(against(report, "your programs").why, /memory/);
});

// ---- what no test can bring about: swap, a daemon that can be traced, another platform ----

const GOOD: Facts = {
  platform: "linux",
  findings: [],
  daemon: {
    ...{ version: "1", pid: 1, startedAt: 0, socket: "/s", vaultKey: "passphrase", credentials: 1 },
    ...{ connections: 1, pendingRefreshes: 0, states: {}, problems: [] },
    reporting: { notify: false },
    lock: { locked: false, afterMs: 1_000, on: [] },
  },
  isOurs: true,
  isElsewhere: false,
  configuration: {
    daemon: { vaultKey: "auto", logLevel: "info", maxConnections: 1 },
    defaults: {},
    access: "{}",
    credentials: new Map(),
    errors: [],
  },
  configDir: "/config",
  credentials: [{ name: "kept", level: "request", hasAllowRules: false, isUnencrypted: false }],
  changed: [],
  isPassphraseInFile: false,
  audit: "on",
  process: { traceable: false, dumpsCore: false, swaps: false, confined: true },
};

/** Those against whom it does not hold, with marks. */
function flawed(facts: Facts): Record<string, string> {
  const { against: results } = score(facts);
  const open = results.filter(({ mark }) => mark !== "holds");
  return Object.fromEntries(open.map(({ attacker, mark }) => [attacker, mark]));
}

test("each fact counts against the attackers whom it helps, and no others", (t) => {
  t.like(score(GOOD), { holds: 9, of: 9, next: undefined });
  const proc = (more: Partial<Facts["process"]>) => ({ process: { ...GOOD.process, ...more } });
  const daemon = (more: Partial<Facts["daemon"]>) => ({ daemon: { ...GOOD.daemon, ...more } });
  const hook = {
    ...GOOD.configuration!,
    daemon: { ...GOOD.configuration!.daemon, hook: ["/config/x"] },
  };
  const one = (more: object) => ({ credentials: [{ ...GOOD.credentials[0]!, ...more }] });
  const table: [Partial<Facts>, Record<string, string>][] = [
    [{ platform: "win32" }, { "other users": "unknown" }],
    [
      { findings: [{ level: "problem", about: "vault", message: "others may write to it" }] },
      { "other users": "fails" },
    ],
    [{ findings: [{ level: "problem", about: "clock", message: "wrong" }] }, {}],
    [
      daemon({ reporting: { notify: false, metricsListen: { to: "127.0.0.1:1" } } }),
      { "other users": "partly" },
    ],
    [proc({ traceable: true }), { "your programs": "fails" }],
    [proc({ swaps: true }), { "stolen disk": "partly" }],
    [proc({ dumpsCore: true }), { "stolen disk": "partly" }],
    [proc({ confined: false }), { "malicious API": "partly", "malicious issuer": "partly" }],
    [
      daemon({ vaultKey: "keychain" }),
      { "your programs": "fails", "open machine": "partly", "stolen disk": "partly" },
    ],
    [
      daemon({ vaultKey: "systemd-credential" }),
      { "your programs": "fails", "open machine": "fails", "stolen disk": "unknown" },
    ],
    [daemon({ lock: { locked: false, on: [] } }), { "open machine": "partly" }],
    [daemon({ lock: { locked: false, on: [{ event: "screen" }] } }), {}],
    [
      daemon({ lock: { locked: false, on: [{ event: "screen", error: "no gdbus" }] } }),
      { "open machine": "partly" },
    ],
    [{ audit: "off" }, { "your programs": "partly" }],
    [{ changed: ["kept"] }, { "edited settings": "partly" }],
    [{ configuration: hook }, { "edited settings": "partly" }],
    [one({ isUnencrypted: true }), { network: "fails" }],
    [one({ level: "open" }), { "your programs": "fails" }],
    [one({ level: "rules" }), { "your programs": "partly" }],
    [one({ level: "asked" }), {}],
  ];
  for (const [more, expected] of table) {
    t.deepEqual(flawed({ ...GOOD, ...more }), expected, JSON.stringify(more));
  }
});

test("security.md has every attacker of the score", (t) => {
  const { text } = readDocument("docs/security.md");
  const named = Array.from(text.matchAll(/^\| \*\*\[([^\]]+)\]/gm), (match) => match[1]);
  t.deepEqual(
    named,
    score(GOOD).against.map(({ attacker }) => attacker),
  );
});
