import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import type { Notifications } from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../rpc/daemon-connection.ts";
import { ReceivedStream } from "../rpc/received-stream.ts";
import { type BodyStream, type RequestHead, sendRequest } from "../rpc/send-request.ts";
import { connectionLost, connectToDaemon, telling } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { milliseconds } from "./parse-seconds.ts";
import { bodyOf } from "./request-body.ts";
import { plain } from "./style.ts";

type Head = Notifications["response/head"];
type Chunk = Notifications["response/chunk"];

export interface RequestOptions {
  header?: string[];
  data?: string[];
  uploadFile?: string;
  include?: boolean;
  fail?: boolean;
  timeout?: string;
}

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .usage("[options] <name> [method] <url>")
    .argument("<name>", "the credential")
    .argument("<method-or-url>", "without a method GET, with -d POST, with -T PUT")
    .argument("[url]", "one of the credential's origins, and a path")
    .option("-H, --header <name: value>", "a header; may be repeated", list)
    .option(
      "-d, --data <data>",
      "a body; @file reads a file, @- standard input; JSON if it parses as such, otherwise a form",
      list,
    )
    .option(
      "-T, --upload-file <file>",
      "a body as it is, by PUT; - is standard input; of any length",
    )
    .option("-i, --include", "write status and headers to stderr")
    .option("-f, --fail", "exit with 1 if the HTTP status is 400 or more")
    .option("--timeout <seconds>", "how long it may take (default: 30)")
    .action(request);
}

export const examples = [
  "authd request onestepai https://app-eu.onestepai.com/api/Users",
  `authd request labelf https://api.app.labelf.ai/v2/models/42/inference -d '{"texts":["hi"]}'`,
  "authd request zebbra http://localhost:8000/picture -H 'content-type: image/png' -T me.png",
];

async function request(
  name: string,
  first: string,
  second: string | undefined,
  options: RequestOptions,
): Promise<void> {
  const { head, body } = await paramsFor(name, first, second, options);
  const status = await relay(head, body, options.include === true);
  process.exitCode = options.fail && status >= 400 ? EXIT.failed : EXIT.done;
}

/** What is asked of the daemon. Throws AuthdError `invalid_params`. */
export async function paramsFor(
  name: string,
  first: string,
  second: string | undefined,
  options: RequestOptions,
): Promise<{ head: RequestHead; body?: Buffer | BodyStream }> {
  const timeoutMs = milliseconds("--timeout", options.timeout);
  const headers = parseHeaders(options.header ?? []);
  const given = await bodyOf(options.data ?? [], options.uploadFile);
  if (given?.contentType !== undefined && !Object.hasOwn(headers, "content-type"))
    headers["content-type"] = given.contentType;
  const usualMethod = options.uploadFile === undefined ? (given ? "POST" : "GET") : "PUT";
  const head: RequestHead = {
    credential: name,
    url: second ?? first,
    method: second === undefined ? usualMethod : first,
    headers,
    stream: true,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  return given ? { head, body: given.body } : { head };
}

/** Sends it and writes the answer's body to stdout as it comes. Returns the HTTP status. */
async function relay(
  head: RequestHead,
  body: Buffer | BodyStream | undefined,
  include: boolean,
): Promise<number> {
  const connection = await connectToDaemon();
  const received = new ReceivedStream(head.credential);
  connection.onNotification = (name, message) => {
    if (name === "response/head" && include) writeHead(message as Head);
    if (name === "response/chunk") write(received.take(message as Chunk), connection);
  };
  try {
    const response = await telling(connection, head, () => sendRequest(connection, head, body));
    received.assertWhole(response);
    return response.status;
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    connection.destroy();
  }
}

/** Nothing more is read while stdout is full: that slows the daemon, and through it the API, down. */
function write(bytes: Buffer, connection: DaemonConnection): void {
  if (process.stdout.write(bytes)) return;
  connection.pause();
  process.stdout.once("drain", () => connection.resume());
}

function writeHead({ status, statusText, headers }: Head): void {
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${plain(value)}`),
  );
  process.stderr.write(`HTTP ${status} ${plain(statusText)}\n${lines.join("\n")}\n\n`);
}

/** `name: value` each; a name given twice gets both values. Names in lower case. */
export function parseHeaders(lines: readonly string[]): Record<string, string> {
  // A map: a plain object has members such as "constructor" from the start.
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) {
      throw new AuthdError("invalid_params", `-H takes 'name: value', not "${plain(line)}"`);
    }
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "__proto__") {
      throw new AuthdError("invalid_params", "-H: __proto__ is not a header name");
    }
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}
