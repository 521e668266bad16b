/** Finds processes that can read this process's memory although the kernel lets nobody open it any more (Linux). */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { procField } from "../base/proc-field.ts";

/** Files of a process that stay readable to whoever opened them while it was dumpable (proc(5)). */
const OF_MEMORY = /^\/(.*\/)?(\d+)\/(?:task\/(\d+)\/)?(?:mem|maps|smaps|environ|auxv|pagemap)$/;

/**
 * Returns who traces this process, or holds its memory open: `process 4711 (python3) has its memory
 * open`. Complete for what may be looked at once prctl(2) has made this process undumpable, as nothing can
 * be opened from then on. Not seen are what was opened of a thread that has ended, processes that are undumpable themselves, and a descriptor
 * on its way through a socket. Root is not looked for: nothing is kept from it.
 */
export function readerOfOurMemory(): string | undefined {
  const own = process.geteuid?.();
  if (own === 0) return undefined;
  // A thread can be traced by itself, and its files in /proc show the same memory.
  const threads = readdirSync("/proc/self/task").map(Number);
  const tracer = threads.map(tracerOf).find((pid) => pid > 0 && ownerOf(pid) !== 0);
  if (tracer !== undefined) return `${described(tracer)} traces it`;
  const ours = new Set([process.pid, ...threads]);
  const others = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const holder = others.map(Number).find((pid) => pid !== process.pid && holdsAny(pid, ours));
  return holder === undefined ? undefined : `${described(holder)} has its memory open`;
}

/** 0 if nobody traces this thread of ours. */
function tracerOf(thread: number): number {
  return Number(procField(read("self", `task/${thread}/status`), "TracerPid") ?? 0);
}

function holdsAny(pid: number, ours: ReadonlySet<number>): boolean {
  const folder = `/proc/${pid}/fd`;
  let descriptors: string[];
  try {
    descriptors = readdirSync(folder);
  } catch {
    // Another user's, undumpable, or gone.
    return false;
  }
  return descriptors.some((descriptor) => {
    try {
      const [, , whose, thread] = OF_MEMORY.exec(readlinkSync(`${folder}/${descriptor}`)) ?? [];
      return ours.has(Number(whose)) || ours.has(Number(thread));
    } catch {
      return false;
    }
  });
}

function described(pid: number): string {
  const name = read(pid, "comm")
    .trim()
    .replace(/[^\w./+-]/g, "?");
  return `process ${pid}${name === "" ? "" : ` (${name})`}`;
}

function ownerOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return undefined;
  }
}

function read(pid: number | "self", file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
