import { lastError, libc } from "./libc.ts";

/**
 * Prevents core files of commands that take secrets from a person. Their process stays readable to its
 * own user, or the daemon could not tell which program asks it.
 */
export function protectTypedSecrets(): void {
  disableInspectorSignal();
  disableCoreDumps();
}

/** Soft and hard limit 0 for setrlimit(2). Zeros mean the same whatever the width of `rlim_t`. */
export function disableCoreDumps(): void {
  const RLIMIT_CORE = 4;
  const setrlimit = libc("int setrlimit(int, const void *)");
  if (setrlimit && setrlimit(RLIMIT_CORE, new Uint8Array(16)) !== 0) throw lastError("setrlimit");
}

/** Ignores SIGUSR1, which otherwise opens Node's inspector to anyone on loopback. */
export function disableInspectorSignal(): void {
  if (!process.listeners("SIGUSR1").includes(ignore)) process.on("SIGUSR1", ignore);
}

function ignore() {}
