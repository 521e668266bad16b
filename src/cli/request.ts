import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { AuthdError } from "../errors.ts";
import type { AuthorizedResponse, Notifications } from "../protocol.ts";
import { ConnectionLost } from "../rpc/daemon-connection.ts";
import { ReceivedStream } from "../rpc/received-stream.ts";
import { type BodyStream, type RequestHead, sendRequest } from "../rpc/send-request.ts";
import { connectionLost, connectToDaemon, telling } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { milliseconds } from "./parse-seconds.ts";
import { exitCodeOf } from "./print-error.ts";
import { otherOrigin, redirectNotice } from "./redirect-notice.ts";
import { bodyOf } from "./request-body.ts";
import { wholeUrl } from "./request-url.ts";
import { isFailed, ResponseOutput } from "./response-output.ts";
import { plain } from "./style.ts";

type Head = Notifications["response/head"];
type Chunk = Notifications["response/chunk"];

export interface RequestOptions {
  header?: string[];
  data?: string[];
  uploadFile?: string;
  /** `-X`. */
  request?: string;
  output?: string;
  include?: boolean;
  verbose?: boolean;
  silent?: boolean;
  showError?: boolean;
  fail?: boolean;
  failWithBody?: boolean;
  timeout?: string;
}

export function define(command: Command): void {
  const list = (value: string, all: string[] = []) => [...all, value];
  command
    .usage("[options] <name> [method] <url>")
    .argument("<name>", "the credential")
    .argument("<method-or-url>", "without a method GET, with -d POST, with -T PUT")
    .argument(
      "[url]",
      "one of the credential's origins, and a path; with one origin, the path alone",
    )
    .option("-X, --request <method>", "the method")
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
    .option("-o, --output <file>", "write the body to a file, as soon as the answer comes")
    .option("-i, --include", "write status and headers to stderr")
    .option("-v, --verbose", "write what is sent and what comes back to stderr, but no token")
    .option("-s, --silent", "say nothing of errors: the exit code tells")
    .option("-S, --show-error", "with -s: say errors all the same, as -sS of curl does")
    .option(
      "-f, --fail",
      "exit with 1 and no body if the HTTP status is 400 or more, or a redirect to another origin",
    )
    .option("--fail-with-body", "exit with 1 in the same cases, and write the body")
    .option("--timeout <seconds>", "how long it may take (default: 30)")
    .action(request);
}

export const examples = [
  "authd request onestepai /api/Users",
  "authd request onestepai https://app-eu.onestepai.com/api/Users -o users.json",
  `authd request labelf https://api.app.labelf.ai/v2/models/7/inference -d '{"texts":["hi"]}'`,
  "authd request zebbra http://localhost:8000/picture -H 'content-type: image/png' -T me.png",
];

async function request(
  name: string,
  first: string,
  second: string | undefined,
  given: RequestOptions,
): Promise<void> {
  const options = { ...given, silent: given.silent === true && given.showError !== true };
  try {
    const { head, body } = await paramsFor(name, first, second, options);
    const url = await wholeUrl(name, head.url);
    const response = await relay({ ...head, url }, body, options);
    const isFailure = (options.fail || options.failWithBody) && isFailed(response);
    if (!options.silent) tellOfFailure(name, response, isFailure === true);
    process.exitCode = isFailure ? EXIT.failed : EXIT.done;
  } catch (error) {
    if (!options.silent) throw error;
    process.exitCode = exitCodeOf(error);
  }
}

function tellOfFailure(name: string, response: AuthorizedResponse, isFailure: boolean): void {
  const origin = otherOrigin(response);
  if (origin !== undefined) process.stderr.write(redirectNotice(name, response, origin));
  else if (isFailure) process.stderr.write(`authd: ${name}: HTTP ${response.status}\n`);
}

/** Builds the request to the daemon. Throws AuthdError `invalid_params`. */
export async function paramsFor(
  name: string,
  first: string,
  second: string | undefined,
  options: RequestOptions,
): Promise<{ head: RequestHead; body?: Buffer | BodyStream }> {
  if (second !== undefined && options.request !== undefined)
    throw new AuthdError("invalid_params", "give the method once: before the URL, or with -X");
  const timeoutMs = milliseconds("--timeout", options.timeout);
  const headers = parseHeaders(options.header ?? []);
  const given = await bodyOf(options.data ?? [], options.uploadFile);
  if (given?.contentType !== undefined && !Object.hasOwn(headers, "content-type"))
    headers["content-type"] = given.contentType;
  const usualMethod = options.uploadFile === undefined ? (given ? "POST" : "GET") : "PUT";
  const head: RequestHead = {
    credential: name,
    url: second ?? first,
    method: options.request ?? (second === undefined ? usualMethod : first),
    headers,
    stream: true,
    ...omitUndefined({ timeoutMs }),
  };
  return given ? { head, body: given.body } : { head };
}

/** Sends it and writes the answer as it comes. Returns it without its body. */
async function relay(
  head: RequestHead,
  body: Buffer | BodyStream | undefined,
  { output: file, include, verbose, silent, fail, failWithBody }: RequestOptions,
): Promise<AuthorizedResponse> {
  const connection = await connectToDaemon();
  try {
    const output = new ResponseOutput(
      { file, include, verbose, withoutFailedBody: fail && !failWithBody },
      connection,
    );
    const received = new ReceivedStream(head.credential);
    connection.onNotification = (name, message) => {
      if (name === "response/head") output.head(message as Head);
      if (name === "response/chunk") output.chunk(received.take(message as Chunk));
    };
    output.request(head);
    const send = () => Promise.race([sendRequest(connection, head, body), output.failed]);
    const response = await (silent ? send() : telling(connection, head, send));
    received.assertWhole(response);
    await output.end(response, head.url);
    return response;
  } catch (error) {
    throw error instanceof ConnectionLost ? connectionLost() : error;
  } finally {
    connection.destroy();
  }
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
