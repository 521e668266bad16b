import type { Log } from "../base/log.ts";
import type { AuditHead } from "./entry.ts";
import { describe } from "./files.ts";
import { readEnd, writeHead } from "./head.ts";
import type { AuditKeys } from "./keys.ts";
import { AuditLast } from "./last.ts";
import type { AuditWriter } from "./writer.ts";

/** `audit.head` is written so often at most (ms): the lines before it are synced each time. */
const HEAD_INTERVAL_MS = 30_000;

export interface SignedEndOptions {
  /** Path of the log. */
  path: string;
  /** Identifies this boot of the machine; empty where the system does not say. */
  bootId: string;
  writer: AuditWriter;
  keys: AuditKeys;
  log: Log;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Called with what is wrong with the log's end, once, as soon as there is a key. */
  onTampered: (problem: string) => void;
}

/** Keeps signed beside the log how far it goes; see head.ts. Nothing is signed before there is a key. */
export class SignedEnd {
  readonly #options: SignedEndOptions;
  readonly #last: AuditLast;
  #timer: NodeJS.Timeout | undefined;
  #isChecked = false;
  #isClosed = false;
  #signedAt = Number.NEGATIVE_INFINITY;
  /** Key that signed `audit.head` last. */
  #keyId: string | undefined;
  #lastProblem: string | undefined;

  constructor(options: SignedEndOptions) {
    this.#options = options;
    this.#last = new AuditLast(options.path, options.bootId);
  }

  /** Call before lines are written. Throws what the file system says. */
  async prepare(): Promise<void> {
    this.#check();
    const { path, bootId, keys, writer } = this.#options;
    if (writer.head.n > 0 || !keys.head || !this.#isChecked) return;
    // A daemon that is killed right after the first line of all leaves no line without a signed end.
    await this.#noteLast();
    await writeHead(path, writer.head, keys.head, bootId);
  }

  /** Call after lines were written: those that are cut off after a kill are missed. Never rejects. */
  async noteLines(): Promise<void> {
    await this.#noteLast();
  }

  /** Signs `audit.head` now, or later if that was done a moment ago. Never rejects. */
  async signSometimes(): Promise<void> {
    const { keys, now } = this.#options;
    const isOfThisKey = this.#keyId === keys.head?.keyId;
    if (!isOfThisKey || now() - this.#signedAt >= HEAD_INTERVAL_MS) return await this.#sign();
    if (this.#timer || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#sign();
    }, HEAD_INTERVAL_MS).unref();
  }

  /** Signs nothing by itself from now on. */
  stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async close(): Promise<void> {
    await this.#sign();
    this.#last.close();
  }

  /** Checks once that the log still reaches as far as it is known to have. */
  #check(): void {
    const { path, bootId, keys, writer, onTampered } = this.#options;
    const key = keys.head;
    if (this.#isChecked || !key) return;
    this.#isChecked = true;
    const end = readEnd(path, key, bootId);
    const { found } = writer;
    const wrong = "head" in end ? missing(end.head, found) : end.wrong;
    // A log that is new has no signed end.
    const isNew = "is" in end && end.is === "absent" && found.length === 0;
    if (wrong === undefined || isNew) return;
    if ("head" in end) writer.skipTo(end.head.n);
    onTampered(wrong);
  }

  /** Lines are on the disk before it is signed that they are there. Never rejects. */
  async #sign(): Promise<void> {
    const { path, bootId, keys, writer, log, now } = this.#options;
    const key = keys.head;
    if (!key || !this.#isChecked || writer.head.n === 0) return;
    this.#signedAt = now();
    this.#keyId = key.keyId;
    try {
      const { head } = writer;
      await writer.sync();
      await writeHead(path, head, key, bootId);
    } catch (error) {
      log.warn({}, `the head of the audit log can't be written: ${describe(error)}`);
    }
  }

  async #noteLast(): Promise<void> {
    const { keys, writer, log } = this.#options;
    const key = keys.head;
    if (!key || !this.#isChecked) return;
    try {
      await this.#last.write(writer.head, key);
      this.#lastProblem = undefined;
    } catch (error) {
      const problem = `audit.last can't be written: ${describe(error)}`;
      if (problem !== this.#lastProblem) log.warn({}, problem);
      this.#lastProblem = problem;
    }
  }
}

/** Returns in which way the log's end is not as it was. */
function missing(
  { n, hash }: AuditHead,
  found: readonly { n: number; hash: string }[],
): string | undefined {
  const last = found.at(-1)?.n ?? 0;
  if (last < n) return `its last ${n - last} lines are missing`;
  const line = found.find((one) => one.n === n);
  return line && line.hash !== hash ? `line number ${n} is another` : undefined;
}
