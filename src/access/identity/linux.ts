/** Reads a process from proc(5). */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isInterpreter } from "../../base/interpreter.ts";
import { quoted } from "../../base/terminal-safe.ts";
import { messageOf } from "../../errors.ts";
import type { ProcessEntry } from "./identity.ts";
import { scriptIn } from "./script.ts";

/** USER_HZ, the unit of proc(5), on every architecture that Node runs on. */
const TICK_MS = 10;

export function readLinuxProcess(pid: number): ProcessEntry | undefined {
  const stat = read(pid, "stat");
  if (stat === undefined) return undefined;
  const program = executableOf(pid);
  return {
    ...fieldsOf(stat),
    pid,
    uid: ownerOf(pid),
    executable: program.executable,
    image: program.image,
    script: program.executable === undefined ? undefined : scriptOf(pid, program.executable),
    gap: program.gap,
  };
}

/** Returns the boot time (ms) of the start; undefined if the process has ended. */
export function startTimeOf(pid: number): number | undefined {
  const stat = read(pid, "stat");
  return stat === undefined ? undefined : fieldsOf(stat).startedAt;
}

/** Returns the parent's pid and the start (boot time, ms); undefined if the process has ended. */
export function parentOf(pid: number): { parent: number; startedAt: number } | undefined {
  const stat = read(pid, "stat");
  return stat === undefined ? undefined : fieldsOf(stat);
}

/** Path to the program's file itself, even if another file has its name now. */
export const imageOf = (pid: number) => `/proc/${pid}/exe`;

export function read(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

/** Parses /proc/PID/stat. The name in brackets may itself have brackets and spaces. */
function fieldsOf(stat: string) {
  const end = stat.lastIndexOf(")");
  const fields = stat.slice(end + 2).split(" ");
  return {
    name: stat.slice(stat.indexOf("(") + 1, end),
    parent: Number(fields[1]),
    session: Number(fields[3]) || undefined,
    terminal: terminalOf(Number(fields[4])),
    startedAt: Number(fields[19]) * TICK_MS,
  };
}

/** Decodes a terminal's device number; the major numbers are those of Linux's devices.txt. */
function terminalOf(device: number): string | undefined {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  return major === 4 && minor < 64 ? `tty${minor}` : undefined;
}

function ownerOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return undefined;
  }
}

/** Returns device and inode of the program's file; undefined if that can't be told. */
export function imageIdOf(pid: number): string | undefined {
  try {
    return fileOf(imageOf(pid));
  } catch {
    return undefined;
  }
}

/** Returns device and inode; undefined if nothing is there. Throws where it can't be told. */
export function fileOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

/**
 * Returns the program's path if the same file is at this path for authd. It is another file if it was
 * replaced since, or has this path in another mount namespace.
 */
export function executableOf(pid: number): { executable?: string; image?: string; gap?: string } {
  try {
    const path = readlinkSync(imageOf(pid));
    const image = fileOf(imageOf(pid));
    if (image !== undefined && image === fileOf(path)) return { executable: path, image };
    return { gap: `its program is not the file at ${quoted(path)} (any more): start it again` };
  } catch (error) {
    return { gap: `its program can't be told: ${messageOf(error)}` };
  }
}

/** Returns the script of an interpreter, as a path. A process can write its arguments itself. */
export function scriptOf(pid: number, executable: string): string | undefined {
  if (!isInterpreter(executable)) return undefined;
  const script = scriptIn(executable, (read(pid, "cmdline") ?? "").split("\0"));
  if (script === undefined) return undefined;
  try {
    return resolve(readlinkSync(`/proc/${pid}/cwd`), script);
  } catch {
    return script;
  }
}
