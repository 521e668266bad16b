import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { INTERPRETER_MARKS } from "../../base/interpreter.ts";

/** Limit of files that are remembered. */
const MAX_FILES = 64;

/** Content of a program's file. */
export interface Content {
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
  /** True for an interpreter, whatever its name: see INTERPRETER_MARKS. */
  readonly isInterpreter: boolean;
}

/** Reads files of programs, each once as long as it is unchanged. */
export class Contents {
  readonly #known = new Map<string, Promise<Content>>();

  /**
   * Reads a file. Rejects if it can't be read, or if `image` names another device and inode:
   * /proc/PID/exe is another file after the process has replaced its program, or ended.
   */
  async of(path: string, image?: string): Promise<Content> {
    const file = await open(path);
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
      if (image !== undefined && image !== `${dev}:${ino}`) throw new Error("another file");
      const identity = [dev, ino, size, mtimeNs, ctimeNs].join(":");
      const known = this.#known.get(identity) ?? this.#remember(identity, contentOf(file));
      return await known;
    } finally {
      await file.close();
    }
  }

  #remember(identity: string, content: Promise<Content>): Promise<Content> {
    this.#known.set(identity, content);
    content.catch(() => this.#known.delete(identity));
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_FILES && oldest !== undefined) this.#known.delete(oldest);
    return content;
  }
}

async function contentOf(file: FileHandle): Promise<Content> {
  const hash = createHash("sha256");
  const wanted = new Set(INTERPRETER_MARKS.flat());
  // A mark may be split between two chunks.
  const overlap = Math.max(...INTERPRETER_MARKS.flat().map((mark) => mark.length)) - 1;
  let end = Buffer.alloc(0);
  for await (const chunk of file.createReadStream({ autoClose: false, start: 0 })) {
    hash.update(chunk);
    const text = Buffer.concat([end, chunk]);
    for (const mark of wanted) if (text.includes(mark)) wanted.delete(mark);
    end = text.subarray(Math.max(0, text.length - overlap));
  }
  const isInterpreter = INTERPRETER_MARKS.some((row) => row.every((mark) => !wanted.has(mark)));
  return { sha256: hash.digest("hex"), isInterpreter };
}
