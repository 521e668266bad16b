import {
  closeSync,
  constants,
  fchmodSync,
  fdatasync,
  fstatSync,
  ftruncate,
  renameSync,
  statSync,
  write,
} from "node:fs";
import { promisify } from "node:util";
import { errorCode } from "../errors.ts";
import type { AuditEntry, AuditHead, AuditLine } from "./entry.ts";
import {
  existing,
  filesOf,
  firstOf,
  openOwnedFile,
  ROTATE_AT,
  START,
  sha256,
  tailOf,
} from "./files.ts";

const { O_RDWR, O_APPEND, O_CREAT } = constants;
const writeTo = promisify(write);
const truncate = promisify(ftruncate);
const sync = promisify(fdatasync);

interface OpenFile {
  readonly fd: number;
  /** Bytes that are whole lines of ours. */
  size: number;
  readonly inode: number;
}

type Link = Pick<AuditHead, "n" | "hash">;

/** Puts lines into `audit.log`, each with its number and the hash of the one before. One batch at a time. */
export class AuditWriter {
  readonly #path: string;
  readonly #rotateAt: number;
  #open: OpenFile | undefined;
  /** The last line that is in the file. Undefined: the file was not looked at yet. */
  #last: Link | undefined;
  #first = 0;
  /** Last lines that were there before this start. */
  #found: readonly Link[] = [];
  /** What the file had without an end when it was opened: the next batch says so. */
  #torn: string | undefined;

  constructor(path: string, rotateAt = ROTATE_AT) {
    this.#path = path;
    this.#rotateAt = rotateAt;
  }

  get head(): AuditHead {
    const { n, hash } = this.#last ?? START;
    return { n, hash, first: this.#first };
  }

  /** The last lines that this start has found: the oldest first. */
  get found(): readonly Link[] {
    return this.#found;
  }

  /** Opens the file, where that is not done. Throws what makes it unusable. */
  prepare(): void {
    this.#reopen();
  }

  /**
   * Writes all entries, or none: what was written of a batch that failed is taken back. `host`: which host they are of,
   * where several share credentials.
   */
  async write(entries: readonly AuditEntry[], now: number, host?: string): Promise<void> {
    this.#reopen();
    const before = this.#last ?? START;
    const torn: AuditEntry[] =
      this.#torn === undefined
        ? []
        : [{ time: now, event: "daemon", outcome: "torn", torn: this.#torn }];
    const all = [...torn, ...entries];
    const made = format(
      host === undefined ? all : all.map((entry) => ({ ...entry, host })),
      before,
    );
    const file = this.#roomFor(Buffer.byteLength(made.text) + torn.length);
    // It gets its end, unless the file that it is in was set aside.
    const data = Buffer.from((torn.length > 0 && file.size > 0 ? "\n" : "") + made.text);
    try {
      await append(file.fd, data);
    } catch (error) {
      await this.#takeBack(file);
      throw error;
    }
    file.size += data.length;
    this.#last = made.last;
    this.#torn = undefined;
    if (this.#first === 0) this.#first = before.n + 1;
  }

  /** Goes on after a number that is known to have been given out, so that the gap shows for good. */
  skipTo(n: number): void {
    const last = this.#last ?? START;
    if (n > last.n) this.#last = { ...last, n };
  }

  /** Resolves when all that was written is on the disk. */
  async sync(): Promise<void> {
    if (this.#open) await sync(this.#open.fd);
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #reopen(): void {
    if (this.#open && isInPlace(this.#path, this.#open)) return;
    this.close();
    const fd = openOwnedFile(this.#path, O_RDWR | O_APPEND | O_CREAT);
    try {
      const { size, ino, mode } = fstatSync(fd);
      if ((mode & 0o077) !== 0 && process.platform !== "win32") fchmodSync(fd, 0o600);
      const { lines, torn } = tailOf(fd, size);
      if (!this.#last) {
        this.#found = lines.length > 0 ? lines : this.#linesBefore();
        this.#last = this.#found.at(-1) ?? START;
      }
      this.#first = firstOf(this.#path);
      this.#open = { fd, size, inode: ino };
      this.#torn = torn ? sha256(torn) : undefined;
    } catch (error) {
      closeSync(fd);
      this.#open = undefined;
      throw error;
    }
  }

  /** The end of the newest file that was set aside. */
  #linesBefore(): readonly Link[] {
    const [newest] = existing(this.#path).filter((file) => file !== this.#path);
    if (newest === undefined) return [];
    const fd = openOwnedFile(newest, constants.O_RDONLY);
    try {
      return tailOf(fd, fstatSync(fd).size).lines;
    } finally {
      closeSync(fd);
    }
  }

  #roomFor(bytes: number): OpenFile {
    const file = this.#open!;
    if (file.size === 0 || file.size + bytes <= this.#rotateAt) return file;
    this.close();
    const files = filesOf(this.#path);
    for (let index = files.length - 1; index > 0; index -= 1)
      moveIfThere(files[index - 1]!, files[index]!);
    const fd = openOwnedFile(this.#path, O_RDWR | O_APPEND | O_CREAT);
    const { size, ino } = fstatSync(fd);
    this.#open = { fd, size, inode: ino };
    this.#first = firstOf(this.#path);
    return this.#open;
  }

  /** Removes what a failed write left. If that fails, it is found as torn when the file is opened again. */
  async #takeBack({ fd, size }: OpenFile): Promise<void> {
    await truncate(fd, size).catch(() => {});
    this.close();
  }
}

/** Formats lines as pino would, which alone takes 4 MB of an idle daemon's memory. */
function format(entries: readonly AuditEntry[], before: Link): { text: string; last: Link } {
  let last = before;
  const lines: string[] = [];
  for (const entry of entries) {
    const n = last.n + 1;
    const line = JSON.stringify({ v: 1, n, ...entry, prev: last.hash } satisfies AuditLine);
    lines.push(`${line}\n`);
    last = { n, hash: sha256(line) };
  }
  return { text: lines.join(""), last };
}

async function append(fd: number, data: Buffer): Promise<void> {
  for (let from = 0; from < data.length; ) {
    from += (await writeTo(fd, data, from, data.length - from, null)).bytesWritten;
  }
}

/** Whoever moves it away must not make the daemon write where nobody looks. */
function isInPlace(path: string, { inode }: OpenFile): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === inode;
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
