import { once } from "node:events";
import * as net from "node:net";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import type { GetTokenResult } from "../../src/protocol.ts";
import type { Handlers } from "../../src/rpc/call.ts";
import { FrameParser, type Framing, frame } from "../../src/rpc/frame-parser.ts";
import { createServer, type Server, type ServerOptions } from "../../src/rpc/server.ts";
import { listen } from "../../src/rpc/socket.ts";
import { temporaryFolder } from "./folder.ts";
import type { Scope } from "./scope.ts";

/** What the tests' `getToken` answers; the name of the credential is its token. */
export const tokenFor = (credential: string): GetTokenResult => ({
  accessToken: credential,
  tokenType: "Bearer",
  expiresAt: null,
  headers: { authorization: `Bearer ${credential}` },
});

export interface Wire {
  path: string;
  server: Server;
  /** Every line that the server logged, as JSON. */
  log: string[];
}

/** A server with these handlers on a socket of its own; `getToken` echoes unless given. */
export async function startWire(
  t: Scope,
  handlers: Partial<Handlers> = {},
  options: Partial<ServerOptions> & { path?: string } = {},
): Promise<Wire> {
  const log: string[] = [];
  const note = (about: object, message: string) => void log.push(JSON.stringify([about, message]));
  const server = createServer({
    handlers: { getToken: ({ credential }) => tokenFor(credential), ...handlers } as Handlers,
    log: { debug: note, info: note, warn: note, error: note },
    ...options,
  });
  t.teardown(() => server.close(0));
  const path = options.path ?? join(temporaryFolder(t), "authd.sock");
  await listen(server.net, path);
  return { path, server, log };
}

export interface Answer {
  id?: string | number | null;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data: { reason: string; retryAfterMs?: number } };
}

/** A client that sends what it is told to, byte for byte, and takes messages one by one. */
export class RawClient {
  readonly socket: net.Socket;
  readonly framing: Framing;
  readonly closed: Promise<unknown>;
  /** Every byte that came, as text. */
  received = "";
  readonly #arrived: Answer[] = [];
  readonly #waiting: ((answer: Answer | undefined) => void)[] = [];

  static async open(t: ExecutionContext, path: string, framing: Framing = "lines") {
    const socket = net.connect({ path, allowHalfOpen: true });
    t.teardown(() => socket.destroy());
    const client = new RawClient(socket, framing);
    await once(socket, "connect");
    return client;
  }

  private constructor(socket: net.Socket, framing: Framing) {
    this.socket = socket;
    this.framing = framing;
    socket.on("error", () => {});
    const parser = new FrameParser(2 ** 30, (body) => this.#arrive(JSON.parse(body.toString())));
    socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
      parser.push(chunk);
    });
    this.closed = new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
    void this.closed.then(() => {
      for (const take of this.#waiting.splice(0)) take(undefined);
    });
  }

  send(message: unknown): void {
    const json = JSON.stringify(message);
    this.socket.write(frame(this.framing, json, Buffer.byteLength(json)));
  }

  request(id: unknown, method: string, params?: unknown): void {
    this.send({ jsonrpc: "2.0", id, method, params });
  }

  /** The next message; undefined if the connection ends first. */
  next(): Promise<Answer | undefined> {
    const arrived = this.#arrived.shift();
    if (arrived) return Promise.resolve(arrived);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.socket.readableEnded || this.socket.destroyed) resolve(undefined);
    });
  }

  /** The next messages, in any order of their ids. */
  async take(count: number): Promise<Answer[]> {
    const taken: Answer[] = [];
    for (let i = 0; i < count; i++) taken.push((await this.next()) ?? {});
    return taken;
  }

  #arrive(answer: Answer): void {
    const take = this.#waiting.shift();
    if (take) take(answer);
    else this.#arrived.push(answer);
  }
}
