import { readFileSync } from "node:fs";

import { dirname } from "node:path";
import { replaceFile } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";

/** Former name of the reason `unsaved`, as in files of earlier versions. */
const FORMER_NAME = / unsealed$/;

/**
 * Remembers which problems were reported, across restarts: a daemon that starts again and again must
 * not report the same ones each time. The file holds names and reasons only. If it can't be read or
 * written, problems are reported again.
 */
export class NotifiedProblems {
  readonly #path: string;
  readonly #keys: Set<string>;
  #writing: Promise<void> | undefined;
  #isStale = false;

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

  /** Resolves when everything is written, or can't be. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #save(): void {
    this.#isStale = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#isStale) {
      // Changes of the same turn of the event loop make one write.
      await Promise.resolve();
      this.#isStale = false;
      const text = `${JSON.stringify([...this.#keys])}\n`;
      await this.#replace(text).catch(() => {});
    }
  }

  async #replace(text: string): Promise<void> {
    makeFolder(dirname(this.#path), 0o700);
    await replaceFile(this.#path, text, { sync: "none" });
  }
}

function read(path: string): string[] {
  try {
    const keys: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!Array.isArray(keys)) return [];
    return keys
      .filter((key) => typeof key === "string")
      .map((key) => key.replace(FORMER_NAME, " unsaved"));
  } catch {
    return [];
  }
}
