/** For processes of their own: every change that they make to the disk, watched through Node's own functions. */
import fs from "node:fs";
import promises, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/** Calls `onStep` before each change: what is done next, and the last two parts of the path where it is known. */
export async function watchSteps(onStep: (step: string) => void): Promise<void> {
  const tell = (what: string, path?: unknown) =>
    onStep(path === undefined ? what : `${what} ${String(path).split("/").slice(-2).join("/")}`);
  const before = <F extends (...args: never[]) => unknown>(what: string, call: F): F =>
    ((...args: Parameters<F>) => {
      tell(what, typeof args[0] === "string" ? args[0] : undefined);
      return call(...args);
    }) as F;

  const sample = await promises.open(new URL(import.meta.url), "r");
  const handles = Object.getPrototypeOf(sample) as FileHandle;
  await sample.close();
  const { writeFile, sync } = handles;
  handles.writeFile = function (this: FileHandle, ...args) {
    tell("writeFile");
    return writeFile.apply(this, args);
  };
  handles.sync = function (this: FileHandle) {
    tell("sync");
    return sync.call(this);
  };

  const { open } = promises;
  promises.open = (path, flags, mode) => {
    if (flags !== "r") tell("open", path);
    return open(path, flags, mode);
  };
  for (const name of ["rename", "rm", "link", "mkdir"] as const)
    promises[name] = before(name, promises[name] as () => never) as never;
  for (const name of ["renameSync", "rmSync", "fsyncSync", "writeFileSync", "mkdirSync"] as const)
    fs[name] = before(name, fs[name] as () => never) as never;
  syncBuiltinESMExports();
}
