import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

/** Programs change rarely, and there are few that ask. */
const KEPT = 64;

/** SHA-256 of files, kept for as long as a file is the same. */
export class Digests {
  readonly #known = new Map<string, Promise<string>>();

  /**
   * Hexadecimal; rejects if the file can't be read, or is not the one of this device and inode:
   * /proc/PID/exe is another file once the process runs another program, or is another process.
   */
  async of(path: string, image?: string): Promise<string> {
    const file = await open(path);
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
      if (image !== undefined && image !== `${dev}:${ino}`) throw new Error("another file");
      const identity = [dev, ino, size, mtimeNs, ctimeNs].join(":");
      const known = this.#known.get(identity) ?? this.#keep(identity, digestOf(file));
      return await known;
    } finally {
      await file.close();
    }
  }

  #keep(identity: string, digest: Promise<string>): Promise<string> {
    this.#known.set(identity, digest);
    digest.catch(() => this.#known.delete(identity));
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
    return digest;
  }
}

async function digestOf(file: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(file.createReadStream({ autoClose: false, start: 0 }), hash);
  return hash.digest("hex");
}
