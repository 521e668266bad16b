/** Writes an answer that comes in parts: the body to stdout or a file, its head to stderr. */
import { accessSync, constants, createWriteStream, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { AuthdError, messageOf } from "../errors.ts";
import type { AuthorizedResponse, Notifications } from "../protocol.ts";
import type { DaemonConnection } from "../rpc/daemon-connection.ts";
import type { RequestHead } from "../rpc/send-request.ts";
import { otherOrigin } from "./redirect-notice.ts";
import { plain } from "./style.ts";

type Head = Notifications["response/head"];

interface OutputOptions {
  /** A path; undefined or `-`: stdout. */
  file?: string | undefined;
  include?: boolean | undefined;
  verbose?: boolean | undefined;
  /** Drops the body of an answer that `isFailed`. */
  withoutFailedBody?: boolean | undefined;
}

export class ResponseOutput {
  readonly #options: OutputOptions;
  readonly #connection: DaemonConnection;
  #body: Writable | undefined;
  #fail: (error: AuthdError) => void = () => {};
  /** Rejects if the body can't be written. */
  readonly failed: Promise<never>;

  /** Throws AuthdError `invalid_params` for a file that can't be written, before anything is sent. */
  constructor(options: OutputOptions, connection: DaemonConnection) {
    this.#options = options;
    this.#connection = connection;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    if (toFile(options)) assertWritable(options.file);
  }

  /** Tells of the request, but for what authd adds to it. */
  request({ credential, method, url, headers = {} }: RequestHead): void {
    if (!this.#options.verbose) return;
    const lines = [`${method} ${plain(url)}`, ...headerLines(headers)];
    say(
      [...lines, `(and the headers of ${credential}, with its token)`].map((line) => `> ${line}`),
    );
  }

  head(head: Head): void {
    const { include, verbose, withoutFailedBody } = this.#options;
    const lines = [`HTTP ${head.status} ${plain(head.statusText)}`, ...headerLines(head.headers)];
    if (verbose) say([...lines, ""].map((line) => `< ${line}`.trimEnd()));
    else if (include) say([...lines, ""]);
    if (!withoutFailedBody || !isFailed(head)) this.#body = this.#open();
  }

  /** Nothing more is read while the body's place is full: that slows the daemon, and through it the API, down. */
  chunk(bytes: Buffer): void {
    if (!this.#body || this.#body.write(bytes)) return;
    this.#connection.pause();
    this.#body.once("drain", () => this.#connection.resume());
  }

  /** Resolves when the whole body is written. */
  async end({ url, refreshed }: AuthorizedResponse, asked: string): Promise<void> {
    if (this.#options.verbose) {
      if (URL.canParse(asked) && new URL(asked).href !== url)
        say([`* redirected to ${plain(url)}`]);
      if (refreshed) say(["* the API refused the token: it was renewed, and the request repeated"]);
    }
    const file = this.#body === process.stdout ? undefined : this.#body;
    if (!file) return;
    file.end();
    await finished(file).catch(() => this.failed);
  }

  #open(): Writable {
    if (!toFile(this.#options)) return process.stdout;
    const { file } = this.#options;
    return createWriteStream(file).on("error", (error) => this.#fail(unwritable(file, error)));
  }
}

/** True for an error, and for a redirect to another origin: what was asked for was not fetched. */
export function isFailed(head: Pick<Head, "status" | "headers" | "url">): boolean {
  return head.status >= 400 || otherOrigin(head) !== undefined;
}

const toFile = (options: OutputOptions): options is OutputOptions & { file: string } =>
  options.file !== undefined && options.file !== "-";

function headerLines(headers: Readonly<Record<string, string | string[]>>): string[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${plain(value)}`),
  );
}

function say(lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}

function assertWritable(file: string): void {
  try {
    const known = statSync(file, { throwIfNoEntry: false });
    if (known?.isDirectory()) throw new Error("it is a folder");
    accessSync(known ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw unwritable(file, error);
  }
}

function unwritable(file: string, cause: unknown): AuthdError {
  return new AuthdError("invalid_params", `-o ${plain(file)}: ${messageOf(cause)}`, { cause });
}
