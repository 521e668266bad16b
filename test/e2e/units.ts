import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { parse } from "plist";
import { GRACE, LONGEST_STAY } from "../../src/daemon/last-answers.ts";
import { run } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { absent, missing } from "../helpers/optional.ts";

const file = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const SERVICE = file("systemd/authd.service");
const SOCKET = file("systemd/authd.socket");
const SYSTEM = file("systemd/authd-system.service");
const SYSTEM_SOCKET = file("systemd/authd-system.socket");
/**
 * What systemd 252 says of the options that work without a user namespace, and of those that a system
 * unit can have. Newer ones ask for more.
 */
const EXPOSURE: readonly [string, number][] = [
  [SERVICE, 6.2],
  [SYSTEM, 1.5],
];

const managerOf = (unit: string) => (unit === SYSTEM ? "--system" : "--user");

/** Undefined, with the test ended, where systemd-analyze is not installed. */
async function analyze(t: ExecutionContext, unit: string, ...args: string[]) {
  const folder = temporaryFolder(t);
  const env = { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: folder };
  if (absent("systemd-analyze").length === 0)
    return run(t, "systemd-analyze", [managerOf(unit), "--no-pager", ...args, unit], { env });
  missing(t, "systemd-analyze is not installed (Debian package systemd)");
  return undefined;
}

test("systemd finds nothing to complain about in the units", async (t) => {
  const answer = await analyze(t, SERVICE, "verify", SOCKET);
  if (!answer) return;
  t.is(answer.stderr, "");
  return t.is(answer.code, 0);
});

for (const [unit, most] of EXPOSURE) {
  test(`the exposure of ${basename(unit)} is at most ${most}`, async (t) => {
    const answer = await analyze(t, unit, "security", "--offline=true");
    if (!answer) return;
    const score = /Overall exposure level for \S+: ([\d.]+)/.exec(answer.stdout)?.[1];
    return t.true(Number(score) <= most, `${score}`);
  });

  test(`for every option that it lacks, ${basename(unit)} says why`, async (t) => {
    const answer = await analyze(t, unit, "security", "--offline=true", "--json=short");
    if (!answer) return;
    const rows = JSON.parse(answer.stdout) as {
      name: string;
      set: boolean;
      exposure: string | null;
    }[];
    t.true(rows.length > 50);
    const comments = readFileSync(unit, "utf8").replace(/^[^#].*$/gm, "");
    for (const { name, set, exposure } of rows) {
      if (set || exposure === null) continue;
      const options = name.match(/[A-Z]\w+(?==)/g) ?? [];
      // The families that stay allowed are explained as such.
      const said =
        /^RestrictAddressFamilies=~AF_(UNIX|\(INET\|INET6\))$/.test(name) ||
        options.some((option) => comments.includes(`${option}=`));
      t.true(said, name);
    }
    return undefined;
  });
}

test("systemd finds nothing to complain about in the units for several users", async (t) => {
  const answer = await analyze(t, SYSTEM, "verify", SYSTEM_SOCKET);
  if (!answer) return;
  t.is(answer.stderr, "");
  return t.is(answer.code, 0);
});

test("the user and the groups of the system-wide daemon are made as the units name them", (t) => {
  const users = readFileSync(file("systemd/authd-system.sysusers.conf"), "utf8");
  const service = readFileSync(SYSTEM, "utf8");
  const user = /^User=(.*)$/m.exec(service)?.[1];
  const group = /^SocketGroup=(.*)$/m.exec(readFileSync(SYSTEM_SOCKET, "utf8"))?.[1];
  t.regex(users, new RegExp(`^u ${user} `, "m"));
  t.regex(users, new RegExp(`^g ${group} `, "m"));
  const folders = readFileSync(file("systemd/authd-system.tmpfiles.conf"), "utf8");
  for (const folder of /^ReadWritePaths=(.*)$/m.exec(service)?.[1]?.split(" ") ?? []) {
    t.regex(folders, new RegExp(`^d ${folder} 0750 ${user} ${user}$`, "m"));
  }
});

test("service managers wait longer than the daemon may stay for an issuer's answer", (t) => {
  const least = LONGEST_STAY + GRACE;
  for (const unit of [SERVICE, SYSTEM]) {
    const seconds = /^TimeoutStopSec=(\d+)s$/m.exec(readFileSync(unit, "utf8"))?.[1];
    t.true(Number(seconds) * 1_000 >= least, unit);
  }
  const agent = parse(readFileSync(file("launchd/authd.plist"), "utf8")) as { ExitTimeOut: number };
  t.true(agent.ExitTimeOut * 1_000 >= least);
});

test("the socket is for its own user alone", (t) => {
  const unit = readFileSync(SOCKET, "utf8");
  t.regex(unit, /^SocketMode=0600$/m);
  t.regex(unit, /^DirectoryMode=0700$/m);
  t.regex(unit, /^ListenStream=%t\/authd\/authd\.sock$/m);
});

test("the launch agent reads back as a property list", (t) => {
  const agent = parse(readFileSync(file("launchd/authd.plist"), "utf8")) as Record<string, unknown>;
  t.like(agent, {
    Label: "authd",
    ProgramArguments: ["/usr/bin/env", "authd", "serve"],
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    Umask: 0o77,
    SoftResourceLimits: { Core: 0 },
    HardResourceLimits: { Core: 0 },
  });
});
