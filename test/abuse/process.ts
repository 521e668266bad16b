/** A program of the same user, without root's rights, tries to look into the daemon's process. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import {
  as,
  give,
  OWNER,
  ownersCli,
  ownersHome,
  startOwnersDaemon,
} from "../helpers/another-user.ts";
import { run, start } from "../helpers/child.ts";
import { MAIN, startDaemon } from "../helpers/daemon.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { startIssuer } from "../helpers/issuer.ts";
import { absent, asRoot, impossible, missing, onLinux } from "../helpers/optional.ts";
import { until } from "../helpers/until.ts";
import { RawClient } from "../helpers/wire.ts";

/** Tries all it can against a pid; prints an object: `in`, or the error that it met. */
const LOOK = `
  const fs = require("node:fs");
  const koffi = require(${JSON.stringify(createRequire(import.meta.url).resolve("koffi"))});
  const pid = Number(process.argv[1]);
  const libc = koffi.load(null);
  const said = (result) => result < 0 ? "errno " + koffi.errno() : "in";
  const attempt = (work) => { try { return work() ?? "in"; } catch (error) { return error.code ?? String(error); } };
  const proc = (name) => "/proc/" + pid + "/" + name;
  const heap = () => {
    const [from] = fs.readFileSync(proc("maps"), "utf8").split("\\n").find((line) => / rw-p /.test(line)).split("-");
    return BigInt("0x" + from);
  };
  const found = {
    "memory through /proc": attempt(() => {
      const file = fs.openSync(proc("mem"), "r");
      fs.readSync(file, Buffer.alloc(16), 0, 16, Number(heap()));
    }),
    "writing memory through /proc": attempt(() => void fs.openSync(proc("mem"), "r+")),
    "addresses": attempt(() => void fs.readFileSync(proc("maps"))),
    "environment": attempt(() => void fs.readFileSync(proc("environ"))),
    "open files": attempt(() => void fs.readdirSync(proc("fd"))),
    "its root folder": attempt(() => void fs.readlinkSync(proc("root"))),
    "process_vm_readv": attempt(() => {
      const here = Buffer.alloc(16);
      const iov = koffi.struct({ base: "void *", size: "size_t" });
      const far = koffi.struct({ base: "uintptr_t", size: "size_t" });
      const read = libc.func("process_vm_readv", "long", ["int", koffi.pointer(iov), "ulong", koffi.pointer(far), "ulong", "ulong"]);
      let there = 4096n;
      try { there = heap(); } catch {}
      return said(Number(read(pid, [{ base: here, size: 16 }], 1, [{ base: there, size: 16 }], 1, 0)));
    }),
    "a descriptor through pidfd_getfd": attempt(() => {
      const syscall = libc.func("long syscall(long, long, long, long)");
      const pidfd = Number(syscall(434, pid, 0, 0));
      return said(Number(syscall(438, pidfd, 0, 0)));
    }),
    "ptrace": attempt(() => {
      const ptrace = libc.func("long ptrace(long, int, long, long)");
      const PTRACE_SEIZE = 0x4206;
      return said(Number(ptrace(PTRACE_SEIZE, pid, 0, 0)));
    }),
  };
  console.log(JSON.stringify(found));`;

async function look(t: ExecutionContext, pid: number): Promise<Record<string, string>> {
  const [command = "", ...args] = [...as(OWNER), process.execPath, "-e", LOOK, String(pid)];
  const { stdout, stderr } = await run(t, command, args);
  return stdout ? JSON.parse(stdout) : { failed: stderr };
}

/** What anybody leaves open: a bare Node of the same user. */
async function bareNode(t: ExecutionContext) {
  const source = 'console.log("started"); setInterval(() => {}, 1000)';
  const [command = "", ...args] = [...as(OWNER), process.execPath, "-e", source];
  const running = start(t, command, args);
  await running.says("started");
  return running;
}

asRoot("reading its memory, tracing it and taking its descriptors are refused", async (t) => {
  const bare = await look(t, (await bareNode(t)).child.pid!);
  const attacks = Object.keys(bare);
  t.true(attacks.length > 7, JSON.stringify(bare));
  const shut = Object.entries(bare).filter(([, result]) => result !== "in");
  if (shut.length > 0) return impossible(t, `this system refuses by itself: ${shut.join("; ")}`);
  const daemon = await startOwnersDaemon(t);
  for (const [attack, result] of Object.entries(await look(t, daemon.pid))) {
    t.regex(result, /^(EACCES|EPERM|errno 1)$/, attack);
  }
});

/** Starts a program, and has its memory open before it can forbid that; then says so, and waits. */
const HOLD = `
  const fs = require("node:fs");
  const [main, ...args] = process.argv.slice(1);
  const child = require("node:child_process").spawn(process.execPath, [main, ...args], { stdio: "inherit" });
  child.on("exit", (code) => { console.log("ended with " + code); process.exit(); });
  const proc = "/proc/" + child.pid + "/";
  // What is opened before it has become that program is another program's memory.
  while (!fs.readFileSync(proc + "cmdline", "utf8").includes(main));
  const isLeader = process.env.HOLD !== "thread";
  const threads = () => fs.readdirSync(proc + "task").filter((id) => id !== String(child.pid));
  while (!isLeader && threads().length === 0);
  const memory = fs.openSync(isLeader ? proc + "mem" : "/proc/" + threads()[0] + "/mem", "r");
  console.log("holds it");`;

asRoot("who had its memory open before it could forbid that keeps it from starting", async (t) => {
  const home = ownersHome(t);
  const hold = (...args: string[]) => {
    const [command = "", ...words] = [...as(OWNER), process.execPath, "-e", HOLD, ...args];
    return start(t, command, words, { env: home.env });
  };
  const attack = hold(MAIN, "serve");
  await attack.says("holds it");
  await attack.says("ended with 2");
  t.regex(
    (await attack.ended).stderr,
    /refuses to start: process \d+ \(node.*\) has its memory open/,
  );
  const daemon = await startOwnersDaemon(t, { home });
  t.truthy(daemon.pid, "without it, it starts");
});

asRoot("who had a thread's memory open keeps it from starting", async (t) => {
  const home = ownersHome(t);
  const [command = "", ...words] = [...as(OWNER), process.execPath, "-e", HOLD, MAIN, "serve"];
  const attack = start(t, command, words, { env: { ...home.env, HOLD: "thread" } });
  await attack.says("ended with 2");
  t.regex(
    (await attack.ended).stderr,
    /refuses to start: process \d+ \(node.*\) has its memory open/,
  );
});

asRoot("who traces it from its start keeps it from starting", async (t) => {
  if (absent("strace").length > 0) return missing(t, "strace is not installed");
  const home = ownersHome(t);
  const words = [
    "strace",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    "trace=none",
    process.execPath,
    MAIN,
    "serve",
  ];
  const [command = "", ...args] = [...as(OWNER), ...words];
  const { code, stderr } = await run(t, command, args, { env: home.env });
  if (/not permitted/.test(stderr)) return impossible(t, "nobody may trace here");
  t.is(code, 2);
  t.regex(stderr, /refuses to start: process \d+ \(strace\) traces it/);
});

asRoot("strace can't attach to it", async (t) => {
  if (absent("strace", "timeout").length > 0) return missing(t, "strace is not installed");
  const attach = (pid: number) => {
    const words = ["timeout", "--signal=INT", "1", "strace", "-o", "/dev/null", "-p", String(pid)];
    const [command = "", ...args] = [...as(OWNER), ...words];
    return run(t, command, args);
  };
  const daemon = await startOwnersDaemon(t);
  const refused = await attach(daemon.pid);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /Operation not permitted/);
  const bare = await attach((await bareNode(t)).child.pid!);
  if (/not permitted/.test(bare.stderr)) return impossible(t, "nobody may trace here");
  t.is(bare.code, 124, "a bare Node can be traced");
});

asRoot("process._debugProcess and SIGUSR1 open no inspector", async (t) => {
  const debug = (pid: number) => {
    const source = "process._debugProcess(Number(process.argv[1]))";
    const [command = "", ...args] = [...as(OWNER), process.execPath, "-e", source, String(pid)];
    return run(t, command, args);
  };
  const home = ownersHome(t);
  const daemon = await startOwnersDaemon(t, { home });
  t.is((await debug(daemon.pid)).code, 0);
  const client = await RawClient.open(t, daemon.socket);
  client.request(1, "status");
  t.is((await client.next())?.result?.pid, daemon.pid);
  t.notRegex((await daemon.stop()).stderr, /Debugger/);
  const bare = await bareNode(t);
  const listening = new Promise<void>((resolve) => {
    bare.child.stderr?.on("data", (text) => /Debugger listening/.test(text) && resolve());
  });
  await debug(bare.child.pid!);
  await listening;
  t.pass("a bare Node listens");
});

/** Says how a program ended, and whether the kernel made a core of it, wherever that went. */
const REPORTED = `
  my $child = fork;
  if (!$child) { exec @ARGV or die }
  waitpid $child, 0;
  print "signal ", $? & 127, ", core ", ($? & 128) ? "yes" : "no", "\\n";`;

for (const [signal, number] of [
  ["SIGABRT", 6],
  ["SIGSEGV", 11],
] as const) {
  onLinux(`${signal} leaves no core file, whatever ulimit -c says`, async (t) => {
    if (absent("perl", "prlimit").length > 0) return missing(t, "perl or prlimit is not installed");
    const folder = temporaryFolder(t);
    const reported = (core: string) => [
      `--core=${core}`,
      "env",
      "-C",
      folder,
      "perl",
      "-e",
      REPORTED,
    ];
    const suicide = `process.kill(process.pid, "${signal}"); setTimeout(() => {}, 60_000)`;
    // A megabyte of it is enough to see that there would be one.
    const bare = await run(t, "prlimit", [...reported("1048576"), process.execPath, "-e", suicide]);
    if (!bare.stdout.includes("core yes")) return impossible(t, `no core here: ${bare.stdout}`);
    const before = readdirSync(folder);

    const daemon = await startDaemon(t, { through: ["prlimit", ...reported("unlimited")] });
    const client = await RawClient.open(t, daemon.socket);
    client.request(1, "status");
    process.kill((await client.next())?.result?.pid as number, signal);
    const { stdout } = await daemon.ended;
    t.regex(stdout, new RegExp(`signal ${number}, core no`));
    t.deepEqual(readdirSync(folder), before);
  });
}

onLinux("a command that is given a secret leaves no core file either", async (t) => {
  if (absent("perl", "prlimit").length > 0) return missing(t, "perl or prlimit is not installed");
  const folder = temporaryFolder(t);
  const args = ["add", "mine", "--grant", "static", "--secrets-from", "-"];
  const words = ["--core=unlimited", "env", "-C", folder, "perl", "-e", REPORTED, process.execPath];
  const running = start(t, "prlimit", [...words, MAIN, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env.PATH, AUTHD_SOCKET: join(folder, "s") },
  });
  // It waits for the rest of this.
  running.child.stdin!.write('{"token": "practice-');
  const pid = await childOf(running.child.pid!);
  await until(() => /^Max core file size +0 /m.test(limitsOf(pid)));
  process.kill(pid, "SIGABRT");
  t.regex((await running.ended).stdout, /signal 6, core no/);
});

async function childOf(parent: number): Promise<number> {
  for (;;) {
    const children = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim();
    if (children !== "") return Number(children);
    await pause(20);
  }
}

const limitsOf = (pid: number) => readFileSync(`/proc/${pid}/limits`, "utf8");

asRoot("variables that it was started with can't be read, nor are they handed on", async (t) => {
  const AWS_SECRET_ACCESS_KEY = "practice-of-others";
  const folder = temporaryFolder(t);
  const file = join(folder, "variables");
  give(folder, OWNER);
  const home = ownersHome(t, {
    env: { AWS_SECRET_ACCESS_KEY, NODE_AUTH_TOKEN: "practice-npm" },
    config: {
      "config.toml": `hook = ["/bin/sh", "-c", "env > ${file}.new; mv ${file}.new ${file}"]\n`,
    },
  });
  const daemon = await startOwnersDaemon(t, { home });
  const read = `require("fs").readFileSync("/proc/${daemon.pid}/environ")`;
  const [command = "", ...args] = [...as(OWNER), process.execPath, "-e", read];
  t.regex((await run(t, command, args)).stderr, /EACCES/);
  const issuer = await startIssuer(t, { status: 401, json: { error: "invalid_client" } });
  const kind = ["--grant", "client_credentials", "--set", `token_url=${issuer.url}`];
  const added = ["add", "refused", ...kind, "--set", "client_id=me", "--secrets-from", "-"];
  t.is((await ownersCli(t, daemon, added, '{"client_secret": "practice"}')).code, 5);
  await until(() => existsSync(file));
  const variables = readFileSync(file, "utf8");
  t.regex(variables, /^AUTHD_REASON=credential_rejected$/m);
  t.notRegex(variables, /AWS_|NODE_AUTH|practice-(of|npm)/);
});
