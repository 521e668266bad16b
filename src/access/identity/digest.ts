import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { INTERPRETER_MARKS } from "../../base/interpreter.ts";

/** Programs change rarely, and there are few that ask. */
const KEPT = 64;

/** What is in a program's file. */
export interface Content {
  /** In hexadecimal. */
  readonly sha256: string;
  /** It is an interpreter's, whatever name it has: see INTERPRETER_MARKS. */
  readonly isInterpreter: boolean;
}

/** What is in files, kept for as long as a file is the same. */
export class Contents {
  readonly #known = new Map<string, Promise<Content>>();

  /**
   * Rejects if the file can't be read, or is not the one of this device and inode:
   * /proc/PID/exe is another file once the process runs another program, or is another process.
   */
  async of(path: string, image?: string): Promise<Content> {
    const file = await open(path);
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
      if (image !== undefined && image !== `${dev}:${ino}`) throw new Error("another file");
      const identity = [dev, ino, size, mtimeNs, ctimeNs].join(":");
      const known = this.#known.get(identity) ?? this.#keep(identity, contentOf(file));
      return await known;
    } finally {
      await file.close();
    }
  }

  #keep(identity: string, content: Promise<Content>): Promise<Content> {
    this.#known.set(identity, content);
    content.catch(() => this.#known.delete(identity));
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
    return content;
  }
}

async function contentOf(file: FileHandle): Promise<Content> {
  const hash = createHash("sha256");
  const wanted = new Set(INTERPRETER_MARKS.flat());
  // A mark may stand across two chunks.
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
