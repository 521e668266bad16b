import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Happening } from "./syscalls.ts";

interface Inode {
  content: Buffer;
  /** What an fsync has made sure of. */
  synced: Buffer;
}

/** Files by path. */
export type Files = ReadonlyMap<string, Buffer>;

/** The calls that change the disk, or say what they change. */
export const DISK_CALLS = [
  ...["openat", "close", "write", "writev", "pwrite64", "ftruncate", "fsync", "fdatasync"],
  ...["rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"],
];

/**
 * A disk that keeps only what it was made to, by the letter: of a file what was in it when it was
 * last synced, of a folder the names that it had when it was last synced. Fed with system calls.
 */
export class UnsyncedDisk {
  readonly #root: string;
  readonly #names = new Map<string, Inode>();
  readonly #syncedNames = new Map<string, Inode>();
  readonly #open = new Map<number, string>();
  readonly #files = new Map<number, Inode>();

  /** Watches what is below this folder. */
  constructor(root: string) {
    this.#root = root;
  }

  /** The path that a descriptor was opened with, if it is a file or folder here. */
  pathOf(descriptor: number): string | undefined {
    return this.#open.get(descriptor);
  }

  /** What a power cut leaves now, at the worst. */
  afterPowerCut(): Files {
    return contents(this.#syncedNames);
  }

  /** What it leaves if all names got to the disk, but only those contents that had to. */
  afterPowerCutWithNames(): Files {
    return contents(this.#names);
  }

  feed({ call: { name, args, strings, result }, what }: Happening): void {
    const descriptor = Number.parseInt(args, 10);
    const isSync = name === "fsync" || name === "fdatasync";
    if (what !== "return" || result < 0 || Number.isNaN(result)) return;
    const [first, second] = strings.map(String);
    if (name === "openat") this.#opened(result, first!, args);
    else if (name === "close") this.#closed(descriptor);
    else if (/^p?write/.test(name)) this.#written(descriptor, Buffer.concat(strings), result);
    else if (name === "ftruncate") this.#truncated(descriptor);
    else if (isSync) this.#synced(descriptor);
    else if (name.startsWith("rename")) this.#linked(first!, second!, true);
    else if (name.startsWith("link")) this.#linked(first!, second!, false);
    else if (name.startsWith("unlink")) this.#names.delete(first!);
  }

  #opened(descriptor: number, path: string, args: string): void {
    this.#closed(descriptor);
    if (!path.startsWith(this.#root)) return;
    this.#open.set(descriptor, path);
    if (!/O_WRONLY|O_RDWR/.test(args)) return;
    const inode = this.#names.get(path) ?? { content: Buffer.alloc(0), synced: Buffer.alloc(0) };
    if (args.includes("O_TRUNC")) inode.content = Buffer.alloc(0);
    this.#names.set(path, inode);
    this.#files.set(descriptor, inode);
  }

  #closed(descriptor: number): void {
    this.#open.delete(descriptor);
    this.#files.delete(descriptor);
  }

  #written(descriptor: number, bytes: Buffer, length: number): void {
    const inode = this.#files.get(descriptor);
    if (inode) inode.content = Buffer.concat([inode.content, bytes.subarray(0, length)]);
  }

  #truncated(descriptor: number): void {
    const inode = this.#files.get(descriptor);
    if (inode) inode.content = Buffer.alloc(0);
  }

  #synced(descriptor: number): void {
    const inode = this.#files.get(descriptor);
    if (inode) inode.synced = inode.content;
    const folder = inode ? undefined : this.#open.get(descriptor);
    if (folder === undefined) return;
    for (const path of this.#syncedNames.keys()) {
      if (dirname(path) === folder) this.#syncedNames.delete(path);
    }
    for (const [path, there] of this.#names) {
      if (dirname(path) === folder) this.#syncedNames.set(path, there);
    }
  }

  #linked(from: string, to: string, moved: boolean): void {
    const inode = this.#names.get(from);
    if (!inode) return;
    this.#names.set(to, inode);
    if (moved) this.#names.delete(from);
  }
}

/** Puts files where they were. */
export function restore(files: Files): void {
  for (const [path, content] of files) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o600 });
  }
}

function contents(names: ReadonlyMap<string, Inode>): Files {
  return new Map([...names].map(([path, { synced }]) => [path, synced]));
}
