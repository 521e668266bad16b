import { createRequire } from "node:module";

/**
 * Calls functions of Windows through koffi, which is loaded on the first call only. Handles and pointers are numbers
 * (`intptr_t`), buffers and typed arrays are passed as `void *`, texts as `str16`.
 */
type Koffi = typeof import("koffi");
type Native = (...args: unknown[]) => number;
/** `node`: what Node's own program exports, libuv among it. */
type Library = "advapi32" | "kernel32" | "ntdll" | "node";

const require = createRequire(import.meta.url);
const bound = new Map<string, Native>();

/** Binds one function by its C prototype. Throws where koffi or the library can't be loaded. */
export function windowsApi(library: Library, prototype: string): Native {
  const known = bound.get(prototype);
  if (known) return known;
  const path = library === "node" ? process.execPath : `${library}.dll`;
  const native = koffi().load(path).func(prototype) as Native;
  bound.set(prototype, native);
  return native;
}

/** Names the type of a function that is called back; prototypes of functions may use it as `NAME *`. */
export function callbackType(prototype: string): void {
  koffi().proto(prototype);
}

/** Returns the error of the call that just failed, such as `CreateFileW: error 32`. Call it before anything else. */
export function windowsError(call: string): Error & { number: number } {
  const number = windowsApi("kernel32", "uint32_t GetLastError()")();
  return Object.assign(new Error(`${call}: error ${number}`), { number });
}

/** Closes a handle. */
export function closeHandle(handle: number): void {
  windowsApi("kernel32", "int CloseHandle(intptr_t)")(handle);
}

function koffi(): Koffi {
  return require("koffi") as Koffi;
}
