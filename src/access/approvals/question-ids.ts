import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";

/** Numbers that one write to the file reserves. */
const BLOCK_SIZE = 10;

/**
 * Numbers questions, and goes on after a restart: an answer typed for a question from before it must
 * not meet another question. The file holds the first number that is not reserved. Where it can't be
 * written, numbers repeat after a restart.
 */
export class QuestionIds {
  readonly #path: string;
  #next = 1;
  #reservedUntil = 1;

  constructor(path: string) {
    this.#path = path;
  }

  next(): number {
    if (this.#next === this.#reservedUntil) this.#reserve();
    return this.#next++;
  }

  #reserve(): void {
    this.#next = Math.max(this.#next, readNumber(this.#path));
    this.#reservedUntil = this.#next + BLOCK_SIZE;
    try {
      const temporary = `${this.#path}.new`;
      makeFolder(dirname(this.#path), 0o700);
      writeFileSync(temporary, `${this.#reservedUntil}\n`, { mode: 0o600 });
      renameSync(temporary, this.#path);
    } catch {
      // The question is asked all the same.
    }
  }
}

/** Returns 1 if there is no such file, or no number in it. */
function readNumber(path: string): number {
  try {
    const text = readFileSync(path, "utf8").trim();
    return /^\d{1,9}$/.test(text) ? Math.max(1, Number(text)) : 1;
  } catch {
    return 1;
  }
}
