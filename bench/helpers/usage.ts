/** What a process takes, as Linux tells it. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

const TICKS_A_SECOND = 100;

/** Resident memory in MB (10⁶ bytes). */
export function rss(pid: number): number {
  const kB = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kB) * 1024) / 1e6;
}

/** CPU seconds so far, user and system. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name, which may hold blanks; utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** The most that it has had resident, in MB. */
export function peakRss(pid: number): number {
  const kB = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kB) * 1024) / 1e6;
}

/**
 * Open file descriptors, but for the few by which a daemon holds the processes that it met last. Of a
 * daemon only root can tell: it lets nobody look into it.
 */
export function descriptors(pid: number): number | undefined {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).filter((fd) => !isProcess(join(folder, fd))).length;
  } catch {
    return undefined;
  }
}

function isProcess(fd: string): boolean {
  try {
    return readlinkSync(fd) === "anon_inode:[pidfd]";
  } catch {
    // It has been closed meanwhile.
    return true;
  }
}
