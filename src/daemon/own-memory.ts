/** Who could read this process's memory although the kernel lets nobody open it any more (Linux). */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** Files of a process that stay readable to whoever opened them while it was dumpable (proc(5)). */
const OF_MEMORY = /^\/(.*\/)?(\d+)\/(task\/\d+\/)?(mem|maps|smaps|environ|auxv|pagemap)$/;

/**
 * Returns who traces this process, or holds its memory open: `process 4711 (python3) has its memory
 * open`. Complete for what may be looked at once prctl(2) has made this process undumpable, as nothing can
 * be opened from then on. Not seen are processes that are undumpable themselves, and a descriptor
 * on its way through a socket. Root is not looked for: nothing is kept from it.
 */
export function readerOfOurMemory(): string | undefined {
  const own = process.geteuid?.();
  if (own === 0) return undefined;
  const tracer = Number(/^TracerPid:\s*(\d+)$/m.exec(read("self", "status"))?.[1] ?? 0);
  if (tracer > 0 && ownerOf(tracer) !== 0) return `${described(tracer)} traces it`;
  const others = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const holder = others.map(Number).find((pid) => pid !== process.pid && holdsOurs(pid));
  return holder === undefined ? undefined : `${described(holder)} has its memory open`;
}

function holdsOurs(pid: number): boolean {
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
      const [, , whose] = OF_MEMORY.exec(readlinkSync(`${folder}/${descriptor}`)) ?? [];
      return Number(whose) === process.pid;
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
