import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile } from "../base/atomic-write.ts";

/** The name of the reason `unsaved` in files of earlier versions. */
const FORMER = / unsealed$/;

/**
 * Which problems people were told of, across restarts: a daemon that starts again and again must
 * not say the same thing each time. Names and reasons only. A file that can't be read or written
 * costs a repetition, nothing else.
 */
export class NotifiedProblems {
  readonly #path: string;
  readonly #keys: Set<string>;
  #writing: Promise<void> | undefined;
  #again = false;

  constructor(path: string) {
    this.#path = path;
    this.#keys = new Set(read(path));
  }

  keys(): string[] {
    return [...this.#keys];
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    this.#keys.add(key);
    this.#save();
  }

  delete(key: string): void {
    if (this.#keys.delete(key)) this.#save();
  }

  /** Resolves when all is written, or can't be. */
  async settled(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  #save(): void {
    this.#again = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#again) {
      // What happens in one turn is one write.
      await Promise.resolve();
      this.#again = false;
      const text = `${JSON.stringify([...this.#keys])}\n`;
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
        .then(() => replaceFile(this.#path, text, { sync: "none" }))
        .catch(() => {});
    }
  }
}

function read(path: string): string[] {
  try {
    const keys: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!Array.isArray(keys)) return [];
    return keys
      .filter((key) => typeof key === "string")
      .map((key) => key.replace(FORMER, " unsaved"));
  } catch {
    return [];
  }
}
