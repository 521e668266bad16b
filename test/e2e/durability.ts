import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { RotatingIssuer } from "../../bench/helpers/rotating-issuer.ts";
import { openSealed } from "../../bench/helpers/sealed-record.ts";
import { connect } from "../../src/client.ts";
import { run, start } from "../helpers/child.ts";
import { type Home, MAIN, makeHome, startDaemon } from "../helpers/daemon.ts";
import { absent, asRoot, impossible, missing } from "../helpers/optional.ts";
import { type Happening, readTrace, straceArgs } from "../helpers/syscalls.ts";
import { DISK_CALLS, type Files, restore, UnsyncedDisk } from "../helpers/unsynced-disk.ts";

const NAME = "demo";
const HOUR = 3_600_000;

/** Whether strace is there and may look into processes of ours; otherwise the test has ended. */
async function canTrace(t: ExecutionContext): Promise<boolean> {
  if (absent("strace").length > 0) {
    missing(t, "strace is not installed");
    return false;
  }
  if (process.geteuid?.() !== 0) {
    impossible(
      t,
      "a tracer of its own user keeps the daemon from starting: only root may trace it",
    );
    return false;
  }
  const { code, stderr } = await run(t, "strace", ["-f", "--seccomp-bpf", "true"]);
  if (code !== 0) impossible(t, `strace may trace nothing here: ${stderr}`);
  return code === 0;
}

/** The system calls of a daemon to which a credential is added, and which renews it once more. */
async function traceRenewal(t: ExecutionContext, home: Home, issuer: RotatingIssuer) {
  const file = join(home.folder, "trace");
  const calls = [...DISK_CALLS, "connect", "sendto", "sendmsg"];
  const daemon = start(t, "strace", [...straceArgs(file, calls), process.execPath, MAIN, "serve"], {
    env: { ...home.env, UV_USE_IO_URING: "0" },
  });
  await daemon.says("authd listens on ");
  const client = connect({ socket: home.socket });
  const { pid } = await client.request("status", {});
  // Should the test fail: strace alone would leave it behind.
  t.teardown(() => kill(pid));
  const family = issuer.signIn("family");
  await client.request("credentials/add", { name: NAME, ...issuer.credential(family) });
  await client.getToken({ credential: NAME, scope: "another" });
  await client.request("shutdown", { daemon: true });
  client.close();
  await daemon.ended;
  return readTrace(file);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, as it should.
  }
}

/** A step of a renewal, and what a power cut would have left just before it began. */
interface Step {
  what: string;
  /** Where in the trace it began, and where it had ended. */
  from: number;
  to: number;
  before: Files[];
}

/** Names the steps that matter: changes to the sealed file, requests to the issuer, tokens to clients. */
function stepsOf(happenings: readonly Happening[], home: Home, issuer: RotatingIssuer): Step[] {
  const disk = new UnsyncedDisk(home.folder);
  const sockets = new Set<number>();
  const steps: Step[] = [];
  const begun = new Map<Happening["call"], Step>();
  for (const [at, happening] of happenings.entries()) {
    const { call, what } = happening;
    const descriptor = Number.parseInt(call.args, 10);
    if (call.name === "connect" && call.args.includes(`htons(${issuer.port})`)) {
      sockets.add(descriptor);
    }
    if (what === "enter") {
      const name = nameOf(happening, disk, sockets);
      const before = [disk.afterPowerCut(), disk.afterPowerCutWithNames()];
      const step = { what: name ?? "", from: at, to: Number.POSITIVE_INFINITY, before };
      if (name !== undefined) steps.push(step);
      begun.set(call, step);
    } else {
      begun.get(call)!.to = at;
      if (call.name === "close") sockets.delete(descriptor);
    }
    disk.feed(happening);
  }
  return steps;
}

function nameOf(
  { call: { name, args, strings } }: Happening,
  disk: UnsyncedDisk,
  sockets: ReadonlySet<number>,
): string | undefined {
  const descriptor = Number.parseInt(args, 10);
  const path = disk.pathOf(descriptor);
  if (/^(openat|rename)/.test(name)) {
    if (!isTemporary(strings[0])) return undefined;
    return name === "openat" ? "make a temporary file" : "rename it";
  }
  if (name === "fsync" || name === "fdatasync") {
    if (isTemporary(path)) return "sync it";
    return path?.endsWith("/vault") ? "sync the folder" : undefined;
  }
  if (!/write|send/.test(name)) return undefined;
  return isTemporary(path) ? "write it" : sentBy(Buffer.concat(strings), sockets.has(descriptor));
}

const isTemporary = (path: unknown) => /\/demo\.sealed\.[0-9a-f]+\.tmp$/.test(String(path));

function sentBy(bytes: Buffer, toNetwork: boolean): string | undefined {
  if (toNetwork) return bytes.includes("POST ") ? "ask the issuer" : undefined;
  return bytes.includes('"accessToken"') ? "answer the client" : undefined;
}

const SEALING = ["make a temporary file", "write it", "sync it", "rename it", "sync the folder"];

// A daemon lets nobody else look into its memory, where the calls' arguments are.
asRoot(
  "a refresh token is spent and replaced by syscalls in the order that a power cut asks for",
  async (t) => {
    if (!(await canTrace(t))) return;
    const issuer = await RotatingIssuer.start({ lifetime: HOUR, grace: HOUR });
    t.teardown(() => issuer.close());
    const home = makeHome(t);
    const happenings = await traceRenewal(t, home, issuer);
    const steps = stepsOf(happenings, home, issuer);
    const asks = steps.filter(({ what }) => what === "ask the issuer");
    t.is(asks.length, 2, steps.map(({ what }) => what).join(", "));

    // Of the second renewal. The first is add's, after which nobody gets a token.
    const asked = steps.indexOf(asks[1]!);
    const intent = steps.slice(asked - SEALING.length, asked);
    t.deepEqual(whats(intent), SEALING);
    const rotated = steps.slice(asked + 1, asked + 1 + SEALING.length);
    t.deepEqual(whats(rotated), SEALING);
    const answered = steps.find(({ what }) => what === "answer the client")!;
    const inOrder = [...intent, asks[1]!, ...rotated, answered];
    for (const [i, step] of inOrder.entries()) {
      if (i > 0) t.true(inOrder[i - 1]!.to < step.from, `${inOrder[i - 1]!.what} < ${step.what}`);
    }

    // What is left of it all by a power cut at each of these moments.
    const vault = join(home.stateDir, "vault");
    const sealed = (files: Files) => {
      const bytes = files.get(join(vault, `${NAME}.sealed`));
      return bytes && openSealed(vault, NAME, bytes);
    };
    for (const step of steps.slice(steps.indexOf(asks[0]!))) {
      for (const files of step.before) t.truthy(sealed(files), step.what);
    }
    const [beforeAsking] = asks[1]!.before;
    const [beforeAnswering] = answered.before;
    t.is(sealed(beforeAsking!)?.secrets.refresh_token, "refresh-family-1");
    t.deepEqual(sealed(beforeAsking!)?.rotation?.intent, { scope: "another" });
    t.is(sealed(beforeAnswering!)?.secrets.refresh_token, "refresh-family-2");

    for (const left of [beforeAsking!, beforeAnswering!]) {
      for (const folder of [home.configDir, home.stateDir]) rmSync(folder, { recursive: true });
      restore(left);
      const daemon = await startDaemon(t, { home });
      const client = connect({ socket: daemon.socket });
      const { accessToken } = await client.getToken({ credential: NAME, forceRefresh: true });
      t.truthy(issuer.access.get(accessToken));
      client.close();
      await daemon.stop();
    }
    t.true(issuer.seen.every(({ outcome }) => outcome === "rotated" || outcome === "repeated"));
  },
);

const whats = (steps: readonly Step[]) => steps.map(({ what }) => what);
