import type { AuditHead, AuditLine } from "./entry.ts";
import { GENESIS } from "./entry.ts";
import { existing, KEPT, linesOf, parseLine, type RawLine, sha256 } from "./files.ts";

/** Something that is not as the daemon wrote it. */
interface Inconsistency {
  readonly file: string;
  /** Counted from 1; 0: it concerns the file as a whole. */
  readonly line: number;
  readonly message: string;
}

export interface Verification {
  readonly lines: number;
  /** The number of the oldest line, and of the newest; 0 if there is none. */
  readonly first: number;
  readonly last: number;
  readonly files: readonly string[];
  readonly flaws: readonly Inconsistency[];
  /** Observations that are no inconsistency. */
  readonly notes: readonly string[];
}

/**
 * Reads all of the log, and finds each line that was changed, removed, moved or copied. What was cut
 * off at its end shows only against a `head` that is known from elsewhere. Throws what the file
 * system says.
 */
export function verify(path: string, head?: KnownHead): Verification {
  const files = existing(path).reverse();
  const check = new Check(head);
  for (const file of files) for (const raw of linesOf(file)) check.take(raw);
  check.end(path, files.length > KEPT);
  const { count: lines, first, last, flaws, notes } = check;
  return { lines, first, last, files, flaws, notes };
}

/** `exact`: it is of this moment, and not of a little before. */
export interface KnownHead extends AuditHead {
  readonly exact?: boolean;
}

interface Before {
  readonly raw: RawLine;
  readonly n: number;
  readonly hash: string;
}

/** State of a verification: what was read so far, and what has to follow. */
class Check {
  readonly flaws: Inconsistency[] = [];
  readonly notes: string[] = [];
  count = 0;
  first = 0;
  last = 0;
  readonly #head: KnownHead | undefined;
  #before: Before | undefined;
  /** No line of ours: a crash may have left it, and then the next one says so. */
  #odd: RawLine | undefined;
  #firstRaw: RawLine | undefined;
  #headSeen = false;

  constructor(head: KnownHead | undefined) {
    this.#head = head;
  }

  take(raw: RawLine): void {
    const line = raw.cut ? undefined : parseLine(raw.bytes);
    if (!line) {
      this.#settleOdd(undefined);
      this.#odd = raw;
      return;
    }
    this.#settleOdd(line, raw);
    this.#follow(line, raw);
  }

  end(path: string, isFull: boolean): void {
    const odd = this.#odd;
    this.#odd = undefined;
    if (odd?.cut) {
      const text = `${odd.file}, line ${odd.line}: cut off while it was written, as by a crash; the next start of the daemon notes it`;
      this.notes.push(text);
    } else if (odd) this.#flaw(odd, NO_LINE);
    this.#beginning(path, isFull);
    this.#ending(path);
  }

  /** The line after an odd one vouches for it, or not. */
  #settleOdd(line: AuditLine | undefined, at?: RawLine): void {
    const odd = this.#odd;
    this.#odd = undefined;
    if (line?.torn !== undefined && at) {
      if (odd && sha256(odd.bytes) === line.torn) {
        this.notes.push(
          `${odd.file}, line ${odd.line}: left by a crash, as the line after it says`,
        );
        return;
      }
      this.#flaw(at, "what a crash left before this line was changed or removed");
    }
    if (odd) this.#flaw(odd, NO_LINE);
  }

  #follow({ n, prev }: AuditLine, raw: RawLine): void {
    const hash = sha256(raw.bytes);
    const before = this.#before;
    this.count += 1;
    if (!before) {
      this.first = n;
      this.#firstRaw = raw;
      if (n === 1 && prev !== GENESIS) this.#flaw(raw, "was changed: the first line follows none");
    } else if (n > before.n + 1) {
      const missing = n - before.n - 1;
      this.#flaw(
        raw,
        `${missing === 1 ? "a line is" : `${missing} lines are`} missing before it (number ${span(before.n + 1, n - 1)})`,
      );
    } else if (n <= before.n) {
      this.#flaw(raw, `is out of order: number ${n} after number ${before.n}, moved or copied`);
    } else if (prev !== before.hash) {
      this.#flaw(before.raw, `(number ${before.n}) or the link to it in the next line was changed`);
    }
    this.last = Math.max(this.last, n);
    this.#before = { raw, n, hash };
    if (this.#head?.n !== n) return;
    this.#headSeen = true;
    if (this.#head.hash !== hash) this.#flaw(raw, `(number ${n}) was changed`);
  }

  #beginning(path: string, isFull: boolean): void {
    const raw = this.#firstRaw;
    if (!raw || this.first === 1) return;
    const { first: known, exact = false } = this.#head ?? {};
    const rotated = isFull && (known === undefined || (!exact && known < this.first));
    if (known === this.first || rotated) {
      this.notes.push(`${path} begins with number ${this.first}: older lines were rotated away`);
      return;
    }
    this.#flaw(raw, `the log begins with number ${this.first}: what was before it is missing`);
  }

  #ending(path: string): void {
    const head = this.#head;
    if (!head || head.n === 0 || this.#headSeen) return;
    const where = this.#before?.raw ?? { file: path, line: 0 };
    this.flaws.push({
      file: where.file,
      line: where.line,
      message:
        head.n > this.last
          ? `the end is missing after it: ${head.n - this.last} of ${head.n} lines`
          : `number ${head.n}, which is known to have been there, is missing`,
    });
  }

  #flaw({ file, line }: RawLine, message: string): void {
    this.flaws.push({ file, line, message });
  }
}

const NO_LINE = "is no line of the log: it was changed or damaged";

function span(from: number, to: number): string {
  return from === to ? String(from) : `${from} to ${to}`;
}
