import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, readSync, type Stats } from "node:fs";
import { openRegularFile, type RegularFile } from "../base/regular-file.ts";
import { errorCode, messageOf } from "../errors.ts";
import { type AuditLine, GENESIS } from "./entry.ts";

/** Bytes; then it is set aside as `audit.log.1`, and what was that becomes `.2`. */
export const ROTATE_AT = 10 * 1024 * 1024;
/** Number of older files that are kept. */
export const KEPT = 9;
/** No line is longer than this, bytes. */
const MAX_LINE_BYTES = 64 * 1024;
const CHUNK_BYTES = 256 * 1024;
const { O_RDONLY } = constants;
const NEWLINE = 0x0a;

/** `audit.log`, `audit.log.1`, and so on: the newest first, whether they exist or not. */
export function filesOf(path: string): string[] {
  return [path, ...Array.from({ length: KEPT }, (_, index) => `${path}.${index + 1}`)];
}

export function existing(path: string): string[] {
  return filesOf(path).filter((file) => lstatSync(file, { throwIfNoEntry: false }));
}

/** Returns the digest in hexadecimal. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/**
 * Opens an ordinary file of the daemon's user or root that nobody else may write to. Throws an Error
 * whose message goes on from "the audit log can't be used: ". The caller closes the descriptor.
 */
export function openOwnedFile(path: string, flags: number): number {
  const { descriptor, stats } = openNamed(path, flags);
  const problem = problemOf(path, stats);
  if (problem === undefined) return descriptor;
  closeSync(descriptor);
  throw new Error(problem);
}

function openNamed(path: string, flags: number): RegularFile {
  try {
    return openRegularFile(path, { flags });
  } catch (cause) {
    if (errorCode(cause) !== undefined) throw cause;
    throw new Error(`${path}: ${messageOf(cause)}; move it away`, { cause });
  }
}

function problemOf(path: string, { uid, mode }: Stats): string | undefined {
  const own = process.geteuid?.();
  if (own === undefined) return undefined;
  if (uid !== own && uid !== 0 && own !== 0) {
    return `${path} belongs to another user (uid ${uid}); move it away`;
  }
  if (mode & 0o022) return `others may write to ${path}; look at it, then chmod 600 ${path}`;
  return undefined;
}

/** One line as it is in a file, without its newline. */
export interface RawLine {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly bytes: Buffer;
  /** True for a line without a newline: the daemon was cut off while it wrote it. */
  readonly cut: boolean;
}

/** Every line of a file that is there. Throws what openOwnedFile and the file system say. */
export function* linesOf(file: string): Generator<RawLine> {
  const fd = openOwnedFile(file, O_RDONLY);
  try {
    let rest: Buffer = Buffer.alloc(0);
    let line = 0;
    for (let position = 0; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const read = readSync(fd, chunk, 0, CHUNK_BYTES, position);
      if (read === 0) break;
      position += read;
      const data = Buffer.concat([rest, chunk.subarray(0, read)]);
      let from = 0;
      for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, from)) {
        line += 1;
        yield { file, line, bytes: data.subarray(from, end), cut: false };
        from = end + 1;
      }
      rest = data.subarray(from);
    }
    if (rest.length > 0) yield { file, line: line + 1, bytes: rest, cut: true };
  } finally {
    closeSync(fd);
  }
}

/** Undefined: it is no line of ours. */
export function parseLine(bytes: Buffer): AuditLine | undefined {
  try {
    const line = JSON.parse(bytes.toString("utf8")) as Partial<AuditLine> | null;
    const fits =
      line?.v === 1 &&
      Number.isSafeInteger(line.n) &&
      typeof line.prev === "string" &&
      typeof line.time === "number" &&
      typeof line.event === "string";
    return fits ? (line as AuditLine) : undefined;
  } catch {
    return undefined;
  }
}

/** End of a file. */
export interface Tail {
  /** Its last whole lines, the oldest first: as many as a look at its end shows. */
  readonly lines: readonly { n: number; hash: string }[];
  /** Remainder of a line that a crash cut off. */
  readonly torn: Buffer | undefined;
}

/** Reads the end of an open file of `size` bytes. */
export function tailOf(fd: number, size: number): Tail {
  const start = Math.max(0, size - CHUNK_BYTES);
  const data = Buffer.alloc(size - start);
  readSync(fd, data, 0, data.length, start);
  const end = data.lastIndexOf(NEWLINE) + 1;
  const lines: { n: number; hash: string }[] = [];
  for (let from = start === 0 ? 0 : data.indexOf(NEWLINE) + 1; from < end; ) {
    const to = data.indexOf(NEWLINE, from);
    const bytes = data.subarray(from, to);
    const n = parseLine(bytes)?.n;
    if (n !== undefined) lines.push({ n, hash: sha256(bytes) });
    from = to + 1;
  }
  return { lines, torn: end < data.length ? data.subarray(end) : undefined };
}

/** The number of the oldest line that is kept; 0 if there is none. */
export function firstOf(path: string): number {
  for (const file of existing(path).reverse()) {
    const fd = openOwnedFile(file, O_RDONLY);
    try {
      const data = Buffer.alloc(MAX_LINE_BYTES);
      const read = readSync(fd, data, 0, data.length, 0);
      const end = data.subarray(0, read).indexOf(NEWLINE);
      const n = parseLine(data.subarray(0, Math.max(0, end)))?.n;
      if (n !== undefined) return n;
    } finally {
      closeSync(fd);
    }
  }
  return 0;
}

/** Describes why the log can't be used, in words that go on from "the audit log can't be written: ". */
export function describe(error: unknown): string {
  const code = errorCode(error);
  const text = messageOf(error);
  return code === "ENOSPC" || code === "EDQUOT" ? `${text}; make room on the disk` : text;
}

export const START = { n: 0, hash: GENESIS } as const;
