import { closeSync, constants, fstatSync, ftruncateSync, statSync, write } from "node:fs";
import { promisify } from "node:util";
import type { AuditHead } from "./entry.ts";
import { openOwnedFile } from "./files.ts";
import { type HeadKey, pathOf, textOf } from "./head.ts";

const { O_RDWR, O_CREAT } = constants;
const writeTo = promisify(write);
/** Bytes of the file, spaces included: one write puts all of it in the place of what was there. */
const FILE_BYTES = 512;

/** Writes `audit.last`: how far the log goes at this moment. See head.ts. */
export class AuditLast {
  readonly #path: string;
  readonly #boot: string;
  #open: { fd: number; inode: number } | undefined;

  constructor(log: string, boot: string) {
    this.#path = pathOf("last", log);
    this.#boot = boot;
  }

  /** Resolves when the system has it, on the disk or not. Does nothing where the boot can't be told. */
  async write(head: AuditHead, key: HeadKey): Promise<void> {
    if (this.#boot === "") return;
    const text = textOf("last", head, key, this.#boot).padEnd(FILE_BYTES - 1);
    await writeTo(this.#file(), Buffer.from(`${text}\n`), 0, FILE_BYTES, 0);
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #file(): number {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    if (this.#open && there?.ino === this.#open.inode) return this.#open.fd;
    this.close();
    const fd = openOwnedFile(this.#path, O_RDWR | O_CREAT);
    const { ino, size } = fstatSync(fd);
    if (size > FILE_BYTES) ftruncateSync(fd, FILE_BYTES);
    this.#open = { fd, inode: ino };
    return fd;
  }
}
