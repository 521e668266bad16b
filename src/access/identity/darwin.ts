/** Reads a process from libproc (<libproc.h>, <sys/proc_info.h>). */
import { uptime } from "node:os";
import { libc } from "../../base/libc.ts";
import type { ProcessEntry } from "./identity.ts";

const PROC_PIDTBSDINFO = 3;
const BSDINFO_BYTES = 136;
const PATH_BYTES = 4096;

export function readDarwinProcess(pid: number): ProcessEntry | undefined {
  const pidinfo = libc("int proc_pidinfo(int, int, uint64_t, void *, int)");
  const info = Buffer.alloc(BSDINFO_BYTES);
  if (pidinfo?.(pid, PROC_PIDTBSDINFO, 0, info, BSDINFO_BYTES) !== BSDINFO_BYTES) return undefined;
  const executable = pathOf(pid);
  const started =
    Number(info.readBigUInt64LE(120)) * 1_000 + Number(info.readBigUInt64LE(128)) / 1_000;
  return {
    pid,
    parent: info.readUInt32LE(16),
    uid: info.readUInt32LE(20),
    name: textOf(info.subarray(64, 96)) || textOf(info.subarray(48, 64)),
    // The kernel tells the start by the wall clock.
    startedAt: uptime() * 1_000 - (Date.now() - started),
    executable,
    script: undefined,
    terminal: undefined,
    gap: executable === undefined ? "its program can't be told" : undefined,
  };
}

function pathOf(pid: number): string | undefined {
  const pidpath = libc("int proc_pidpath(int, void *, uint32_t)");
  const buffer = Buffer.alloc(PATH_BYTES);
  const length = pidpath?.(pid, buffer, PATH_BYTES) ?? 0;
  return length > 0 ? buffer.toString("utf8", 0, length) : undefined;
}

function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end === -1 ? bytes.length : end);
}
