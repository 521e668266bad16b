import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { parse } from "plist";
import { run } from "./helpers/child.ts";
import { temporaryFolder } from "./helpers/folder.ts";
import { absent, missing } from "./helpers/optional.ts";

const file = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const SERVICE = file("systemd/authd.service");
const SOCKET = file("systemd/authd.socket");
/** What systemd 252 says of the options that work without a user namespace. Newer ones ask for more. */
const EXPOSURE = 6.2;

/** Undefined, with the test ended, where systemd-analyze is not installed. */
async function analyze(t: ExecutionContext, ...args: string[]) {
  const folder = temporaryFolder(t);
  const env = { PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: folder };
  if (absent("systemd-analyze").length === 0)
    return run(t, "systemd-analyze", ["--user", "--no-pager", ...args], { env });
  missing(t, "systemd-analyze is not installed (Debian package systemd)");
  return undefined;
}

test("systemd finds nothing to complain about in the units", async (t) => {
  const answer = await analyze(t, "verify", SOCKET, SERVICE);
  if (!answer) return;
  t.is(answer.stderr, "");
  return t.is(answer.code, 0);
});

test(`the service's exposure is at most ${EXPOSURE}`, async (t) => {
  const answer = await analyze(t, "security", "--offline=true", SERVICE);
  if (!answer) return;
  const score = /Overall exposure level for authd\.service: ([\d.]+)/.exec(answer.stdout)?.[1];
  return t.true(Number(score) <= EXPOSURE, `${score}`);
});

test("for every option that the service lacks, the unit says why", async (t) => {
  const answer = await analyze(t, "security", "--offline=true", "--json=short", SERVICE);
  if (!answer) return;
  const rows = JSON.parse(answer.stdout) as {
    name: string;
    set: boolean;
    exposure: string | null;
  }[];
  t.true(rows.length > 50);
  const comments = readFileSync(SERVICE, "utf8").replace(/^[^#].*$/gm, "");
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
