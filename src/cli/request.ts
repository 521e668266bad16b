import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import type { Command } from "commander";
import { AuthdError, messageOf } from "../errors.ts";
import type { AuthorizedResponse, Notifications, ParamsOf } from "../protocol.ts";
import { ConnectionLost, type DaemonConnection } from "../rpc/daemon-connection.ts";
import { ReceivedStream } from "../rpc/received-stream.ts";
import { connectionLost, connectToDaemon, telling } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { milliseconds } from "./parse-seconds.ts";
import { plain } from "./style.ts";

type Head = Notifications["response/head"];
type Chunk = Notifications["response/chunk"];

export interface RequestOptions {
  header?: string[];
  data?: string[];
  include?: boolean;
  fail?: boolean;
  timeout?: string;
}

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .usage("[options] <name> [method] <url>")
    .argument("<name>", "the credential")
    .argument("<method-or-url>", "GET if there is no method, POST if there is data")
    .argument("[url]", "one of the credential's origins, and a path")
    .option("-H, --header <name: value>", "a header; may be repeated", list)
    .option(
      "-d, --data <data>",
      "a body; @file reads a file, @- standard input; JSON if it parses as such, otherwise a form",
      list,
    )
    .option("-i, --include", "write status and headers to stderr")
    .option("-f, --fail", "exit with 1 if the HTTP status is 400 or more")
    .option("--timeout <seconds>", "how long it may take (default: 30)")
    .action(request);
}

export const examples = [
  "authd request onestepai https://app-eu.onestepai.com/api/Users",
  `authd request labelf https://api.app.labelf.ai/v2/models/42/inference -d '{"texts":["hi"]}'`,
  "authd request zebbra PUT http://localhost:8000/picture -H 'content-type: image/png' -d @me.png",
];

async function request(
  name: string,
  first: string,
  second: string | undefined,
  options: RequestOptions,
): Promise<void> {
  const status = await relay(
    await paramsFor(name, first, second, options),
    options.include === true,
  );
  process.exitCode = options.fail && status >= 400 ? EXIT.failed : EXIT.done;
}

/** What is asked of the daemon. Throws AuthdError `invalid_params`. */
export async function paramsFor(
  name: string,
  first: string,
  second: string | undefined,
  options: RequestOptions,
): Promise<ParamsOf<"authorizedRequest">> {
  const body = await bodyOf(options.data ?? []);
  const timeoutMs = milliseconds("--timeout", options.timeout);
  const headers = parseHeaders(options.header ?? []);
  if (body && !Object.hasOwn(headers, "content-type"))
    headers["content-type"] = contentTypeOf(body);
  return {
    credential: name,
    url: second ?? first,
    method: second === undefined ? (body ? "POST" : "GET") : first,
    headers,
    stream: true,
    ...(body &&
      (isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString("base64") })),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** Sends it and writes the body to stdout as it comes. Returns the HTTP status. */
async function relay(params: ParamsOf<"authorizedRequest">, include: boolean): Promise<number> {
  const connection = await connectToDaemon();
  const received = new ReceivedStream(params.credential);
  connection.onNotification = (name, message) => {
    if (name === "response/head" && include) writeHead(message as Head);
    if (name === "response/chunk") write(received.take(message as Chunk), connection);
  };
  try {
    const answer = await telling(connection, params, () =>
      connection.request("authorizedRequest", params),
    );
    const response = answer as AuthorizedResponse;
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

/** Several pieces make one form, as with curl. */
async function bodyOf(data: readonly string[]): Promise<Buffer | undefined> {
  if (data.length === 0) return undefined;
  const pieces = await Promise.all(data.map(read));
  return Buffer.concat(
    pieces.flatMap((piece, index) => (index ? [Buffer.from("&"), piece] : piece)),
  );
}

async function read(data: string): Promise<Buffer> {
  if (!data.startsWith("@")) return Buffer.from(data);
  if (data === "@-") return buffer(process.stdin);
  try {
    return await readFile(data.slice(1));
  } catch (error) {
    throw new AuthdError("invalid_params", `-d ${data}: ${messageOf(error)}`, { cause: error });
  }
}

export function contentTypeOf(body: Buffer): string {
  try {
    JSON.parse(body.toString());
    return "application/json";
  } catch {
    return "application/x-www-form-urlencoded";
  }
}
