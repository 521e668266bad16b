import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { replaceFile } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";

/**
 * Why the hook's last run failed, across restarts. A file that can't be read or written costs that alone:
 * the failure is then known until the daemon ends.
 */
export class HookFailure {
  readonly #path: string;
  #error: string | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  /** Reads the failure that an earlier run of the same `command` left. */
  constructor(path: string, command: readonly string[] | undefined) {
    this.#path = path;
    const saved = read(path);
    if (saved && JSON.stringify(saved.command) === JSON.stringify(command)) {
      this.#error = saved.error;
    }
  }

  get error(): string | undefined {
    return this.#error;
  }

  set(command: readonly string[], error: string): void {
    if (error === this.#error) return;
    this.#error = error;
    const text = `${JSON.stringify({ command, error })}\n`;
    this.#write(async () => {
      makeFolder(dirname(this.#path), 0o700);
      await replaceFile(this.#path, text, { sync: "none" });
    });
  }

  clear(): void {
    if (this.#error === undefined) return;
    this.#error = undefined;
    this.#write(() => rm(this.#path, { force: true }));
  }

  /** Resolves when all is written, or can't be. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #write(work: () => Promise<void>): void {
    this.#writing = this.#writing.then(work).catch(() => {});
  }
}

function read(path: string): { command: string[]; error: string } | undefined {
  try {
    const { command, error }: Record<string, unknown> = JSON.parse(readFileSync(path, "utf8"));
    if (!Array.isArray(command) || typeof error !== "string") return undefined;
    return { command: command.map(String), error };
  } catch {
    return undefined;
  }
}
