import type { Clock } from "../base/clock.ts";
import type { OpenConfiguration } from "../config/settings.ts";

type FileRead = ReturnType<OpenConfiguration["read"]>;

/**
 * Credential files that were found at the start and not read yet: each is read when its credential is asked
 * for, the others in slices.
 */
export class UnreadFiles {
  readonly #names = new Set<string>();
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #onRead: (read: FileRead) => void;
  #readFile: OpenConfiguration["read"] = () => undefined;
  /** Called when no name is left. */
  #waiting: (() => void)[] = [];

  /** `onRead` takes each file as it is read; undefined: it is gone. */
  constructor(clock: Pick<Clock, "monotonic">, onRead: (read: FileRead) => void) {
    this.#clock = clock;
    this.#onRead = onRead;
  }

  get size(): number {
    return this.#names.size;
  }

  get names(): Iterable<string> {
    return this.#names;
  }

  open({ names, read }: Pick<OpenConfiguration, "names" | "read">): void {
    for (const name of names) this.#names.add(name);
    this.#readFile = read;
  }

  /** Reads this file, if it was not read. */
  read(name: string): void {
    if (!this.#names.has(name)) return;
    const read = this.#readFile(name);
    this.drop(name);
    this.#onRead(read);
  }

  /** Reads files for about `ms`, one at least. */
  readSome(ms: number): void {
    const untilMs = this.#clock.monotonic() + ms;
    for (const name of this.#names) {
      this.read(name);
      if (this.#clock.monotonic() >= untilMs) return;
    }
  }

  readAll(): void {
    for (const name of this.#names) this.read(name);
  }

  /** Leaves a file unread: its credential is made, or removed, without it. */
  drop(name: string): void {
    this.#names.delete(name);
    if (this.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when no file waits to be read. */
  async whenRead(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
