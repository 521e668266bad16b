import type { Socket } from "node:net";
import { until } from "../until.ts";
import type { ProgramInput, ProgramOutput } from "./host-protocol.ts";
import { linesOf } from "./streams.ts";

/** How long (ms) a program may take to say something on a loaded machine. */
const SAYS_LIMIT_MS = 120_000;

export interface ProgramOptions {
  /** Beside those of Windows. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Standard input; without it there is none. */
  input?: string | Uint8Array;
  /** The arguments are passed as they are. */
  verbatim?: boolean;
}

export interface Said {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A program that runs on Windows. */
export class Program {
  pid = 0;
  readonly ended: Promise<Said>;
  readonly #socket: Socket;
  readonly #command: string;
  readonly #output = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #end: Said | undefined;

  constructor(socket: Socket, command: string) {
    this.#socket = socket;
    this.#command = command;
    this.ended = new Promise((resolve, reject) => {
      const end = (code: number | null) => {
        this.#end ??= { code, stdout: this.stdout, stderr: this.stderr };
        resolve(this.#end);
      };
      linesOf(socket, (line) => {
        const told = JSON.parse(line) as ProgramOutput;
        if ("error" in told) reject(new Error(`${command}: ${told.error}`));
        else if ("exit" in told) end(told.exit);
        else this.#note(told);
      });
      socket.on("error", () => {});
      socket.on("close", () => end(null));
    });
    this.ended.catch(() => {});
  }

  get stdout(): string {
    return this.#output.stdout.toString();
  }

  get stderr(): string {
    return this.#output.stderr.toString();
  }

  /** Resolves when standard output contains `text`; rejects with all output if the program ends first. */
  async says(text: string): Promise<string> {
    const isSaid = () => this.stdout.includes(text);
    await until(() => isSaid() || this.#end !== undefined, {
      ...{ message: `"${text}" from ${this.#command}`, limitMs: SAYS_LIMIT_MS },
    });
    if (!isSaid()) throw new Error(`ended before "${text}": ${this.stdout}${this.stderr}`);
    return this.stdout;
  }

  write(input: string | Uint8Array): void {
    this.#tell({ stdin: Buffer.from(input).toString("base64") });
  }

  /** Ends standard input. */
  end(input?: string | Uint8Array): void {
    if (input !== undefined) this.write(input);
    this.#tell({ end: true });
  }

  /** Ends it as Windows does: at once. */
  async kill(): Promise<void> {
    this.#tell({ kill: true });
    await this.ended;
  }

  #tell(input: ProgramInput): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(input)}\n`);
  }

  #note(told: { pid: number } | { stdout?: string; stderr?: string }): void {
    if ("pid" in told) this.pid = told.pid;
    else
      for (const name of ["stdout", "stderr"] as const) {
        const bytes = Buffer.from(told[name] ?? "", "base64");
        this.#output[name] = Buffer.concat([this.#output[name], bytes]);
      }
  }
}
