import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { cgroupPath } from "../../access/identity/cgroup.ts";
import { procField } from "../../base/proc-field.ts";
import { configDir, loadConfiguration } from "../../config/config.ts";
import type { Policy, Rule } from "../../config/policy.ts";
import type { Configuration, CredentialSettings } from "../../config/settings.ts";
import type { AuditHeadResult, CredentialInfo, StatusResult } from "../../protocol.ts";
import { callDaemon } from "../call-daemon.ts";
import type { DoctorContext, Finding } from "./finding.ts";

/** Facts about a set-up by which `score` judges it. */
export interface Facts {
  platform: NodeJS.Platform;
  /** Results of all checks. */
  findings: readonly Finding[];
  daemon: StatusResult;
  /** The daemon runs as the caller's user, so that other programs of that user have the same rights. */
  isOurs: boolean;
  /** The daemon's folders can't be told from this environment. */
  isElsewhere: boolean;
  /** Undefined: the daemon's settings can't be found, or read. */
  configuration: Configuration | undefined;
  configDir: string;
  credentials: readonly Exposure[];
  /** Names of credentials whose files were changed. */
  changed: readonly string[];
  /** systemd keeps the vault's passphrase in a file while the daemon runs. */
  isPassphraseInFile: boolean;
  /** Undefined: the daemon is older than the audit log, or does not answer. */
  audit: AuditHeadResult["mode"] | undefined;
  process: ProcessFacts;
}

/** Facts about the daemon's process; undefined: can't be known here. */
interface ProcessFacts {
  /** Other programs of its user may read its memory. */
  traceable: boolean | undefined;
  dumpsCore: boolean | undefined;
  /** Its memory may be written to swap on a disk. */
  swaps: boolean | undefined;
  /** An attacker who takes over the process has few system calls and gains no privileges. */
  confined: boolean | undefined;
}

/** Returns undefined if no daemon answers, or if it is another user's and the caller is not root. */
export async function gatherFacts(
  { env, daemon, credentials, host, isElsewhere }: DoctorContext,
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
    credentials: exposures(configuration, credentials),
    changed: credentials.flatMap(({ name, state }) => (state === "changed" ? [name] : [])),
    isPassphraseInFile: isOurs && isPassphraseInFile(env),
    audit: await auditMode(),
    process: processFacts(daemon.pid),
  };
}

function configurationIn(dir: string, env: NodeJS.ProcessEnv): Configuration | undefined {
  try {
    return loadConfiguration({ dir, env });
  } catch {
    // The check of the files has reported it.
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

/** True if the user's service manager has written the passphrase where it keeps credentials (systemd.exec(5)). */
function isPassphraseInFile({ XDG_RUNTIME_DIR: runtime }: NodeJS.ProcessEnv): boolean {
  if (!runtime) return false;
  return existsSync(join(runtime, "credentials", "authd.service", "authd-passphrase"));
}

// ---- the process ----

/** Returns the effective uid of a process; undefined where it can't be known. */
export function userOf(pid: number): number | undefined {
  return number(statusOf(pid)("Uid")?.split(/\s+/)[1]);
}

/** Reads proc(5); all facts are undefined on other systems. */
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
  return (name) => procField(status, name);
}

/** True if the kernel gave /proc/PID/mem to the process's user: that of an undumpable process is root's. */
function traceable(pid: number, uid: number | undefined): boolean | undefined {
  const owner = ownerOf(`/proc/${pid}/mem`);
  return uid === undefined || uid === 0 || owner === undefined ? undefined : owner === uid;
}

/** True if a crash may write a core file (core(5)): a program that takes dumps (`|`) ignores the limit. */
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
  const group = cgroupPath(read(`/proc/${pid}/cgroup`) ?? "") ?? "";
  return read(`/sys/fs/cgroup${group}/memory.swap.max`)?.trim() !== "0";
}

/** Returns the owner of a file; undefined if it is not there, or out of reach. */
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

// ---- the credentials ----

/** Describes which programs get the token of one credential. */
export interface Exposure {
  name: string;
  /**
   * `request`: none, it never leaves the daemon; `asked`: those that a person confirms; `rules`: those
   * that a rule names; `open`: all of the daemon's user.
   */
  level: "request" | "asked" | "rules" | "open";
  /** A rule may allow programs of other users. */
  hasAllowRules: boolean;
  /** Plain http is permitted to other machines. */
  isUnencrypted: boolean;
}

/** Reads the exposure from the files, which say most; without them, from the daemon's answer. */
function exposures(
  configuration: Configuration | undefined,
  infos: readonly CredentialInfo[],
): Exposure[] {
  return configuration
    ? [...configuration.credentials.values()].map(exposureOfFile)
    : infos.map(exposureOfInfo);
}

function exposureOfFile({ name, policy, allowInsecureHttp }: CredentialSettings): Exposure {
  const hasAllowRules = (policy?.allow ?? []).length > 0;
  return { name, level: levelOf(policy), hasAllowRules, isUnencrypted: allowInsecureHttp };
}

function exposureOfInfo({ name, policy }: CredentialInfo): Exposure {
  const { expose, confirm, allow = [], deny = [] } = policy ?? {};
  const limited = allow.length + deny.length > 0 ? "rules" : confirm ? "asked" : "open";
  const level = expose === "request" ? "request" : limited;
  return { name, level, hasAllowRules: allow.length > 0, isUnencrypted: false };
}

function levelOf(policy: Policy | undefined): Exposure["level"] {
  if (!policy) return "open";
  const { expose, confirm, allow, deny } = policy;
  const all = (is: (rule: Rule) => boolean) => allow.length > 0 && allow.every(is);
  if (expose === "request" || all((rule) => rule.expose === "request")) return "request";
  const asks = (one: Rule["confirm"]) => one !== undefined && one !== "never";
  const asked = allow.length === 0 ? asks(confirm) : all((rule) => asks(rule.confirm ?? confirm));
  if (asked) return "asked";
  // Methods and paths limit requests, not those who get the token.
  return allow.length + deny.length > 0 ? "rules" : "open";
}
