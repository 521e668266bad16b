/** Waits on loopback for the browser that an issuer sends back (RFC 8252 section 7.3). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerFew } from "../../base/answer-few.ts";
import { AuthdError, errorCode } from "../../errors.ts";
import type { RedirectUri } from "../../grants/login/index.ts";
import { type Page, pageOf } from "./pages.ts";

/** Browsers open a few connections ahead of time. */
const MAX_CONNECTIONS = 32;
const MAX_HEADER_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
/** Node looks for requests that take too long every 30 s by itself. */
const TIMEOUT_CHECK_MS = 1_000;
/** A port that is free at one address may be taken at the other. */
const FREE_PORT_TRIES = 5;

export interface ListenerOptions {
  credential: string;
  redirect: RedirectUri;
  /** Takes the parameters of a callback, and returns the page that the browser gets. Never rejects. */
  onCallback: (parameters: URLSearchParams) => Promise<Page>;
}

export interface LoopbackListener {
  readonly port: number;
  /** Stops listening; pages under way still get out. */
  close(): void;
}

/** Rejects with AuthdError for an address that can't be listened on. */
export async function listenOnLoopback(options: ListenerOptions): Promise<LoopbackListener> {
  const { credential, redirect } = options;
  if (redirect.hosts.length === 0) throw notLoopback(credential);
  const tries = redirect.port === 0 ? FREE_PORT_TRIES : 1;
  for (let left = tries; ; left--) {
    const servers: Server[] = [];
    try {
      return await listenAll(options, servers);
    } catch (error) {
      for (const server of servers) server.close();
      const code = errorCode(error);
      // Another program has the free port at the other address.
      if (code !== "EADDRINUSE" || left === 1) throw cantListen(credential, redirect, code);
    }
  }
}

/**
 * Listens on all addresses of the redirect URI, at one port: on what is left free of `localhost` another
 * program could wait for the code.
 */
async function listenAll(options: ListenerOptions, servers: Server[]): Promise<LoopbackListener> {
  const { redirect } = options;
  let { port } = redirect;
  for (const host of redirect.hosts) {
    const server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    });
    answerFew(server, MAX_CONNECTIONS, (...asked) => answer(options, ...asked));
    const isListening = await listen(server, host, port).catch((error) => {
      // A machine without one of the two families.
      const isMissing = /^(EADDRNOTAVAIL|EAFNOSUPPORT)$/.test(errorCode(error) ?? "");
      if (isMissing && redirect.hosts.length > 1) return false;
      throw error;
    });
    if (!isListening) continue;
    servers.push(server);
    port = (server.address() as AddressInfo).port;
  }
  const close = () => {
    for (const server of servers) {
      server.close();
      server.closeIdleConnections();
    }
  };
  if (servers.length > 0) return { port, close };
  throw Object.assign(new Error("no loopback address"), { code: "EADDRNOTAVAIL" });
}

function listen(server: Server, host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Stays for the server's life: a connection that can't be accepted must not end the daemon.
    server.on("error", reject);
    server.listen({ host, port, exclusive: true, ipv6Only: true }, () => resolve(true));
  });
}

async function answer(
  { credential, redirect, onCallback }: ListenerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = addressOf(request);
  const isCallback = url?.pathname === redirect.url.pathname && request.method === "GET";
  // A page elsewhere whose name was pointed at loopback has another host.
  const isOurs = isCallback && url.hostname === redirect.url.hostname;
  const page = isOurs ? await onCallback(url.searchParams) : pageOf("missing", credential);
  response.writeHead(page.status, page.headers);
  response.end(page.body);
}

function addressOf({ url = "", headers }: IncomingMessage): URL | undefined {
  const text = `http://${headers.host ?? ""}${url}`;
  return url.startsWith("/") && URL.canParse(text) ? new URL(text) : undefined;
}

function notLoopback(credential: string): AuthdError {
  return new AuthdError(
    "invalid_params",
    `${credential}: its redirect_uri is not on loopback, so no browser can bring the answer here: authd login ${credential} --paste`,
    { credential },
  );
}

function cantListen(
  credential: string,
  { url, port }: RedirectUri,
  code: string | undefined,
): AuthdError {
  const place = port === 0 ? url.hostname : url.host;
  return new AuthdError(
    "request_failed",
    `${credential}: authd can't listen on ${place} for the browser (${code ?? "error"}): end the program that does, or paste the address: authd login ${credential} --paste`,
    { credential },
  );
}
