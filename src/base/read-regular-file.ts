import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { errorCode } from "../errors.ts";

/**
 * The bytes of a file that is nothing but that: a pipe in its place would hang the daemon, a link
 * would be followed when it is read and replaced when it is written. `most` is in bytes: what is
 * larger is none of ours, and is not read into memory. Throws what the file system says, or an Error
 * whose message goes on from "it can't be read: ".
 */
export function readRegularFile(path: string, most: number): Buffer {
  const file = openPlain(path);
  try {
    const stats = fstatSync(file);
    if (stats.isDirectory()) throw new Error("a folder is in its place");
    if (!stats.isFile()) throw new Error("it is no ordinary file");
    if (stats.size > most) throw new Error(`it is larger than ${most / 1024 ** 2} MiB`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** Windows has neither flag. */
const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;

function openPlain(path: string): number {
  try {
    return openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  } catch (cause) {
    if (errorCode(cause) === "ELOOP") throw new Error("a link is in its place", { cause });
    // A socket.
    if (errorCode(cause) === "ENXIO") throw new Error("it is no ordinary file", { cause });
    throw cause;
  }
}
