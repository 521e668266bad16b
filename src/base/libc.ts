import { createRequire } from "node:module";
import { getSystemErrorName } from "node:util";

/**
 * Calls functions of libc, for what Node can't ask the kernel, through koffi, which is loaded on the
 * first call only. Buffers and typed arrays are passed as `void *`, without a copy.
 */
type Koffi = typeof import("koffi");
type Native = (...args: unknown[]) => number;

const require = createRequire(import.meta.url);
/** Bound functions by prototype: binding costs as much as 100 calls. */
const bound = new Map<string, Native>();

/**
 * Binds one function of libc by its C prototype: `libc("int flock(int, int)")`.
 * Returns undefined on Windows, which has no libc; throws where koffi can't be loaded.
 */
export function libc(prototype: string): Native | undefined {
  if (process.platform === "win32") return undefined;
  const known = bound.get(prototype);
  if (known) return known;
  const library = process.platform === "darwin" ? "libSystem.B.dylib" : null;
  const native = koffi().load(library).func(prototype) as Native;
  bound.set(prototype, native);
  return native;
}

/** Returns the error of the call that just failed, such as `prctl: EPERM`. Call it before anything else. */
export function lastError(call: string): Error & { code: string } {
  const code = getSystemErrorName(-koffi().errno());
  return Object.assign(new Error(`${call}: ${code}`), { code });
}

function koffi(): Koffi {
  return require("koffi") as Koffi;
}
