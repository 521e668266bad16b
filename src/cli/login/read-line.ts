/** Reads lines of standard input, from a terminal or not. */
import { createInterface, type Interface } from "node:readline";

export class LineReader {
  readonly #interface: Interface;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const isTerminal = process.stdin.isTTY === true;
    // A terminal's own line ends at 4,096 bytes, which an address may exceed; readline's does not.
    this.#interface = createInterface({
      input: process.stdin,
      ...(isTerminal ? { output: process.stderr, terminal: true } : {}),
    });
    this.#interface.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    this.#lines = this.#interface[Symbol.asyncIterator]();
  }

  /** Undefined at the end of input. */
  async next(prompt: string): Promise<string | undefined> {
    process.stderr.write(prompt);
    const { value, done } = await this.#lines.next();
    return done ? undefined : value;
  }

  close(): void {
    this.#interface.close();
  }
}
