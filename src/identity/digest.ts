import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

/** Programs change rarely, and there are few that ask. */
const KEPT = 64;

/** SHA-256 of files, kept for as long as a file is the same. */
export class Digests {
  readonly #known = new Map<string, Promise<string>>();

  /** Hexadecimal; rejects if the file can't be read. */
  async of(path: string): Promise<string> {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    const identity = [dev, ino, size, mtimeNs, ctimeNs].join(":");
    const known = this.#known.get(identity);
    if (known) return await known;
    const digest = digestOf(path);
    this.#known.set(identity, digest);
    digest.catch(() => this.#known.delete(identity));
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
    return await digest;
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}
