/**
 * Common part of the practice APIs: an HTTP server on 127.0.0.1 with a table of routes. Each behaves as the
 * API that it is named after, with made-up data.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ParamsOf } from "../protocol.ts";
import type { IssuedTokens } from "./issued-tokens.ts";

/** Parameters of `credentials/add`, beside the name. */
export interface PracticeCredential {
  preset?: string;
  grant?: string;
  settings: NonNullable<ParamsOf<"credentials/add">["settings"]>;
  secrets: Record<string, string>;
}

/** An example of a request that the API answers with 200. */
export interface PracticeExample {
  method: string;
  url: string;
  /** JSON. */
  body?: string;
}

/**
 * Kind of outage. `down` answers 503; `html` answers a maintenance page with status 200, as load balancers
 * do; `stall` accepts the request and never answers.
 */
type FailMode = "down" | "html" | "stall";

/** Side of the API that a path belongs to. */
type Side = "token" | "api";

/** A line of the log, without query, headers and body, so that it holds no secret. */
interface LoggedRequest {
  /** Milliseconds since the epoch. */
  at: number;
  side: Side | undefined;
  method: string;
  path: string;
  /** 0: not answered (`stall`). */
  status: number;
}

export interface PracticeApi {
  /** Name of the API and of its preset. */
  readonly name: string;
  /** Base URL for tokens and data: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly credential: PracticeCredential;
  readonly example: PracticeExample;
  /** Number of requests, and of those answered with a status of 400 or more. */
  readonly stats: Readonly<{ tokenRequests: number; apiRequests: number; rejected: number }>;
  /** The last 1000 requests. */
  readonly requests: readonly LoggedRequest[];
  /** Refuses all tokens that were issued until now, as if they had expired. */
  expireTokens(): void;
  /** Makes one side fail, or both; undefined ends that. */
  fail(mode: FailMode | undefined, side?: Side): void;
  /** Stops the server, and ends open connections. */
  close(): Promise<void>;
}

export interface PracticeOptions {
  /** Lifetime in seconds. */
  tokenLifetime?: number;
  /** Returns the API's wall clock, ms since the epoch. */
  now?: () => number;
}

export interface PracticeRequest {
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  /** UTF-8. */
  body: string;
  /** Matches of the groups in the route's pattern. */
  params: string[];
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A route of an API. `path` matches the whole path, without the query. */
export interface Route {
  side: Side;
  method: string;
  path: RegExp;
  answer(request: PracticeRequest): Reply;
}

const MAX_BODY_BYTES = 1024 * 1024;
const LOG_LENGTH = 1000;

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(value),
  };
}

export function html(status: number, title: string): Reply {
  return {
    status,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`,
  };
}

/** Returns the media type in lower case, without parameters such as `charset`. */
export function mediaType(request: PracticeRequest): string {
  return (request.headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase();
}

/** Parses a form; undefined if the body is none, or has a field twice (RFC 6749 section 3.2). */
export function form(request: PracticeRequest): Map<string, string> | undefined {
  if (mediaType(request) !== "application/x-www-form-urlencoded") return undefined;
  const pairs = [...new URLSearchParams(request.body)];
  const fields = new Map(pairs);
  return fields.size === pairs.length ? fields : undefined;
}

/** Parses a JSON body; undefined if it is not declared as JSON, or is none. */
export function jsonBody(request: PracticeRequest): unknown {
  if (mediaType(request) !== "application/json") return undefined;
  try {
    return JSON.parse(request.body);
  } catch {
    return undefined;
  }
}

/** Returns the members of a JSON body; none if it is no object. */
export function jsonMembers(request: PracticeRequest): Record<string, unknown> {
  const value = jsonBody(request);
  return value !== null && typeof value === "object" ? { ...value } : {};
}

/** Returns user and password of HTTP Basic (RFC 7617), split at the first colon, without decoding. */
export function basic(request: PracticeRequest): { user: string; password: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(request.headers.authorization ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 0) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Returns the token of `Authorization: Bearer …` (RFC 6750 section 2.1). */
export function bearer(request: PracticeRequest): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(request.headers.authorization ?? "")?.[1];
}

const failures: Record<Exclude<FailMode, "stall">, Reply> = {
  down: {
    status: 503,
    headers: { "content-type": "text/plain" },
    body: "Service unavailable\n",
  },
  html: html(200, "Down for maintenance"),
};

/** Starts the server on a free port. `credential` and `example` get its URL. */
export async function startPracticeApi(api: {
  name: string;
  now: () => number;
  tokens: IssuedTokens;
  routes: readonly Route[];
  credential: (url: string) => PracticeCredential;
  example: (url: string) => PracticeExample;
}): Promise<PracticeApi> {
  const stats = { tokenRequests: 0, apiRequests: 0, rejected: 0 };
  const requests: LoggedRequest[] = [];
  const failing = new Map<Side, FailMode>();

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://127.0.0.1");
    const method = request.method ?? "GET";
    const body = await readBody(request);
    const here = api.routes.filter((route) => route.path.test(pathname));
    const side = here[0]?.side;
    if (side === "token") stats.tokenRequests += 1;
    if (side === "api") stats.apiRequests += 1;
    const log = (status: number) => {
      requests.push({ at: api.now(), side, method, path: pathname, status });
      if (requests.length > LOG_LENGTH) requests.shift();
    };

    const failure = side && failing.get(side);
    if (failure === "stall") return log(0);
    const route = here.find((candidate) => candidate.method === method);
    const reply = failure
      ? failures[failure]
      : (refusal(here, route, body) ??
        route!.answer({
          query: searchParams,
          headers: request.headers,
          body: body!,
          params: route!.path.exec(pathname)!.slice(1),
        }));
    if (reply.status >= 400) stats.rejected += 1;
    log(reply.status);
    response.writeHead(reply.status, {
      ...reply.headers,
      "content-length": Buffer.byteLength(reply.body),
      date: new Date(api.now()).toUTCString(),
    });
    response.end(reply.body);
  }

  const server = createServer((request, response) => {
    // A client may close the connection in the middle of its body.
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    name: api.name,
    url,
    credential: api.credential(url),
    example: api.example(url),
    stats,
    requests,
    expireTokens: () => api.tokens.expireAll(),
    fail(mode, side) {
      for (const each of side ? [side] : (["token", "api"] as const)) {
        if (mode) failing.set(each, mode);
        else failing.delete(each);
      }
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Returns the error of a request that no route handles. */
function refusal(
  here: readonly Route[],
  route: Route | undefined,
  body: string | undefined,
): Reply | undefined {
  if (here.length === 0) return json(404, { message: "Not Found" });
  if (!route) {
    const allow = here.map(({ method }) => method).join(", ");
    return json(405, { message: "Method Not Allowed" }, { allow });
  }
  return body === undefined ? json(413, { message: "Content Too Large" }) : undefined;
}

/** Reads the body; undefined if it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return size > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString();
}
