import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { configDir, loadConfiguration } from "../../config/config.ts";
import type { Configuration } from "../../config/settings.ts";
import type { AuditHeadResult, StatusResult } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import { credentialsKept, type Kept } from "./exposure.ts";
import type { Finding, Patient } from "./finding.ts";

/** What is known of a set-up that decides against whom it holds. */
export interface Facts {
  platform: NodeJS.Platform;
  /** What was found before. */
  findings: readonly Finding[];
  daemon: StatusResult;
  /** It runs as the user who asks, so that other programs of that user are its equals. */
  isOurs: boolean;
  /** Its folders are where we don't know. */
  isElsewhere: boolean;
  /** Undefined: its settings are where we don't know, or may not look. */
  configuration: Configuration | undefined;
  configDir: string;
  credentials: readonly Kept[];
  /** Names of credentials whose files were changed. */
  changed: readonly string[];
  /** systemd keeps the vault's passphrase in a file while the daemon runs. */
  handedOver: boolean;
  /** Undefined from an older daemon. */
  audit: AuditHeadResult["mode"] | undefined;
  process: ProcessFacts;
}

/** Of the daemon's process; undefined: can't be known here. */
export interface ProcessFacts {
  /** Other programs of its user may look into its memory. */
  traceable: boolean | undefined;
  dumpsCore: boolean | undefined;
  /** Its memory may be written to swap on a disk. */
  swaps: boolean | undefined;
  /** A hole in it gives an attacker few system calls and no new privileges. */
  confined: boolean | undefined;
}

/** Undefined if no daemon answers, or if it is another user's and does not tell us all. */
export async function gatherFacts(
  { env, daemon, credentials, host, isElsewhere }: Patient,
  findings: readonly Finding[],
): Promise<Facts | undefined> {
  if (!daemon) return undefined;
  const own = process.geteuid?.();
  const isOurs = host === undefined;
  if (!isOurs && own !== 0) return undefined;
  const dir = configDir(env);
  const configuration = isElsewhere ? undefined : configurationIn(dir, env);
  return {
    platform: process.platform,
    findings,
    daemon,
    isOurs,
    isElsewhere,
    configuration,
    configDir: dir,
    credentials: credentialsKept(configuration, credentials),
    changed: credentials.flatMap(({ name, state }) => (state === "changed" ? [name] : [])),
    handedOver: isOurs && isHandedOver(env),
    audit: await auditMode(),
    process: processFacts(daemon.pid),
  };
}

function configurationIn(dir: string, env: NodeJS.ProcessEnv): Configuration | undefined {
  try {
    return loadConfiguration({ dir, env });
  } catch {
    // The check of the files has said so.
    return undefined;
  }
}

async function auditMode(): Promise<AuditHeadResult["mode"] | undefined> {
  try {
    return (await callDaemon("audit/head", {}, 5_000)).mode;
  } catch {
    return undefined;
  }
}

/** A user manager keeps a service's credentials in a folder of the user's (systemd.exec(5)). */
function isHandedOver({ XDG_RUNTIME_DIR: runtime }: NodeJS.ProcessEnv): boolean {
  if (!runtime) return false;
  return existsSync(join(runtime, "credentials", "authd.service", "authd-passphrase"));
}

// ---- the process ----

/** Effective uid; undefined where it can't be known. */
export function userOf(pid: number): number | undefined {
  return number(statusOf(pid)("Uid")?.split(/\s+/)[1]);
}

/** proc(5); all of it is undefined elsewhere. */
function processFacts(pid: number): ProcessFacts {
  const field = statusOf(pid);
  const canBeTraced = traceable(pid, userOf(pid));
  const [privileges, filter] = [field("NoNewPrivs"), field("Seccomp")];
  return {
    traceable: canBeTraced,
    dumpsCore: dumpsCore(pid, canBeTraced),
    swaps: swaps(pid),
    confined: privileges && filter ? privileges === "1" && filter === "2" : undefined,
  };
}

function statusOf(pid: number): (name: string) => string | undefined {
  const status = read(`/proc/${pid}/status`) ?? "";
  return (name) => new RegExp(`^${name}:\\s+(.+)$`, "m").exec(status)?.[1];
}

/** What undumpable processes have in /proc is root's; of root's own that tells nothing. */
function traceable(pid: number, uid: number | undefined): boolean | undefined {
  const owner = ownerOf(`/proc/${pid}/mem`);
  return uid === undefined || uid === 0 || owner === undefined ? undefined : owner === uid;
}

/** core(5): who can't be traced dumps nothing; a program that takes dumps (`|`) asks for no limit. */
function dumpsCore(pid: number, canBeTraced: boolean | undefined): boolean | undefined {
  if (canBeTraced === false) return false;
  const limit = /^Max core file size +(\S+)/m.exec(read(`/proc/${pid}/limits`) ?? "")?.[1];
  if (limit === undefined || limit !== "0") return limit === undefined ? undefined : true;
  return canBeTraced === true && read("/proc/sys/kernel/core_pattern")?.startsWith("|") === true;
}

function swaps(pid: number): boolean | undefined {
  const table = read("/proc/swaps");
  if (table === undefined) return undefined;
  const places = table.split("\n").slice(1).filter(Boolean);
  // zram is memory.
  if (places.every((line) => line.startsWith("/dev/zram"))) return false;
  const group = /^0::(.+)$/m.exec(read(`/proc/${pid}/cgroup`) ?? "")?.[1] ?? "";
  return read(`/sys/fs/cgroup${group}/memory.swap.max`)?.trim() !== "0";
}

/** Undefined: nothing is there, or it is out of reach. */
export function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
