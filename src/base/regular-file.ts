import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { errorCode } from "../errors.ts";

/** Windows has neither flag. */
const { O_RDONLY, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;

export interface OpenOptions {
  /** Flags of open(2); for reading unless given. A file that they create gets mode 0600. */
  flags?: number;
  /** Follows a link at `path`; otherwise a link is refused, as a write would replace it or its target. */
  followLinks?: boolean;
}

export interface RegularFile {
  /** The caller closes it. */
  readonly descriptor: number;
  readonly stats: Stats;
}

/**
 * Opens an ordinary file and nothing else: a pipe in its place would hang the daemon. Throws the file
 * system's error, or an Error without a code whose message goes on from "it can't be opened: ".
 */
export function openRegularFile(
  path: string,
  { flags = O_RDONLY, followLinks = false }: OpenOptions = {},
): RegularFile {
  const descriptor = openWithoutWaiting(path, flags | (followLinks ? 0 : O_NOFOLLOW));
  try {
    const stats = fstatSync(descriptor);
    if (stats.isDirectory()) throw new Error("a folder is in its place");
    if (!stats.isFile()) throw new Error("it is no ordinary file");
    return { descriptor, stats };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function openWithoutWaiting(path: string, flags: number): number {
  try {
    return openSync(path, flags | O_NONBLOCK, 0o600);
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ELOOP") throw new Error("a link is in its place", { cause });
    // A socket, or a pipe that nobody reads.
    if (code === "ENXIO") throw new Error("it is no ordinary file", { cause });
    throw cause;
  }
}

/**
 * Returns the bytes of an ordinary file. One of more than `maxBytes` is none of ours, and is not read
 * into memory. Throws as `openRegularFile` does.
 */
export function readRegularFile(path: string, maxBytes: number, options?: OpenOptions): Buffer {
  const { descriptor, stats } = openRegularFile(path, options);
  try {
    if (stats.size > maxBytes) throw new Error(`it is larger than ${maxBytes / 1024 ** 2} MiB`);
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
