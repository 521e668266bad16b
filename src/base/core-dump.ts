import { lastError, libc } from "./libc.ts";

/**
 * For the commands that take secrets from a person: nothing of them is left in a core file. They
 * stay readable to their own user otherwise, or the daemon could not tell which program asks it.
 */
export function leaveNoCore(): void {
  keepInspectorShut();
  forbidCoreDumps();
}

/** setrlimit(2): soft and hard limit 0. Zeros mean the same whatever the width of `rlim_t`. */
export function forbidCoreDumps(): void {
  const RLIMIT_CORE = 4;
  const setrlimit = libc("int setrlimit(int, const void *)");
  if (setrlimit && setrlimit(RLIMIT_CORE, new Uint8Array(16)) !== 0) throw lastError("setrlimit");
}

/** Without a listener of ours SIGUSR1 opens Node's inspector, to anyone on loopback. */
export function keepInspectorShut(): void {
  if (!process.listeners("SIGUSR1").includes(ignore)) process.on("SIGUSR1", ignore);
}

function ignore() {}
