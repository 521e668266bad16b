import { once } from "node:events";
import { rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { FrameParser, type Framing, frame } from "../../../src/rpc/frame-parser.ts";
import { temporaryFolder } from "../folder.ts";
import { differences } from "../like.ts";
import type { Scope } from "../scope.ts";
import { until } from "../until.ts";
import type { Pattern, Writing } from "./case.ts";

/** A request or notification of the client under test. */
export interface Message {
  connection: Connection;
  id?: string | number;
  method: string;
  params: Record<string, unknown>;
}

/** How long (ms) a client may take, its reconnecting after a restart included. */
const LIMIT_MS = 30_000;

/** One connection of the client, in the framing that it speaks. */
export class Connection {
  readonly socket: net.Socket;
  readonly #parser: FrameParser;
  #held = "";

  constructor(socket: net.Socket, onMessage: (message: Message) => void) {
    this.socket = socket;
    this.#parser = new FrameParser(2 ** 30, (body) => {
      const { params, ...rest } = JSON.parse(body.toString());
      onMessage({ connection: this, ...rest, params: Array.isArray(params) ? {} : (params ?? {}) });
    });
    socket.on("error", () => {}).on("data", (bytes) => this.#parser.push(bytes));
  }

  get closed(): boolean {
    return this.socket.destroyed || this.socket.readableEnded;
  }

  async write(message: object, { cut, style, hold }: Writing = {}): Promise<void> {
    const json = JSON.stringify(message);
    const framing = this.#parser.framing ?? "lines";
    const text =
      style === "odd" ? odd(framing, json) : frame(framing, json, Buffer.byteLength(json));
    this.#held += text;
    if (hold) return;
    const bytes = Buffer.from(this.#held);
    this.#held = "";
    const size = cut ?? bytes.length;
    for (let from = 0; from < bytes.length; from += size) {
      this.raw(bytes.subarray(from, from + size));
      if (cut) await turn();
    }
  }

  /** Writes a message whose JSON is given as text. */
  writeJson(json: string): void {
    this.raw(frame(this.#parser.framing ?? "lines", json, Buffer.byteLength(json)));
  }

  /** Writes the first half of a message. */
  writeHalf(json: string): void {
    const text = frame(this.#parser.framing ?? "lines", json, Buffer.byteLength(json));
    this.raw(text.slice(0, text.length - json.length / 2));
  }

  raw(bytes: Buffer | string): void {
    if (!this.closed) this.socket.write(bytes);
  }
}

/** The same message as no usual writer of this framing writes it. */
function odd(framing: Framing, json: string): string {
  if (framing === "lines") return `\r\n\n${json}\r\n`;
  const type = "Content-Type: application/vscode-jsonrpc; charset=utf-8";
  return `content-length: ${Buffer.byteLength(json)}\r\n${type}\r\n\r\n${json}`;
}

/** How a client elsewhere reaches a socket: a path that is the socket's there until `end`. */
export type Reach = (path: string) => Promise<{ path: string; end(): Promise<void> }>;

const here: Reach = async (path) => ({ path, end: async () => {} });

/** A socket on which every answer is written by the steps of a case. */
export class ScriptedServer {
  /** Messages that no step has received yet. */
  readonly unread: Message[] = [];
  readonly #connections: Connection[] = [];
  readonly #socket: string;
  readonly #reach: Reach;
  #server: net.Server | undefined;
  #reached: Awaited<ReturnType<Reach>> | undefined;
  #refused: Pattern | undefined;

  static async start(t: Scope, reach = here): Promise<ScriptedServer> {
    const server = new ScriptedServer(join(temporaryFolder(t), "authd.sock"), reach);
    t.teardown(() => server.stop());
    await server.start();
    return server;
  }

  private constructor(socket: string, reach: Reach) {
    this.#socket = socket;
    this.#reach = reach;
  }

  /** Where the client finds it. */
  get path(): string {
    return this.#reached?.path ?? this.#socket;
  }

  async start(): Promise<void> {
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new Connection(socket, (message) => this.#arrived(message));
      socket.on("end", () => socket.end());
      this.#connections.push(connection);
    });
    this.#server.listen(this.#socket);
    await once(this.#server, "listening");
    this.#reached = await this.#reach(this.#socket);
  }

  /** Ends everything; what was sent before is read first. */
  async stop(): Promise<void> {
    this.#server?.close();
    rmSync(this.#socket, { force: true });
    await this.#reached?.end();
    this.disconnect();
  }

  /** Reads no more on the connections that are there. */
  deafen(): void {
    for (const { socket } of this.#connections) socket.pause();
  }

  disconnect(): void {
    for (const { socket } of this.#connections.splice(0)) {
      if (socket.writableLength === 0) socket.destroy();
      else socket.end(() => socket.destroy());
    }
  }

  get newest(): Connection {
    const connection = this.#connections.at(-1);
    if (!connection) throw new Error("the client has not connected");
    return connection;
  }

  /** The first message that matches, which is received with this. */
  async receive({ method, params = {} }: Pattern): Promise<Message> {
    const find = () =>
      this.unread.findIndex(
        (message) => message.method === method && differences(message.params, params).length === 0,
      );
    await until(() => find() !== -1, {
      limitMs: LIMIT_MS,
      message: `${method} ${short(params)}; not received: ${short(this.unread.map(told))}`,
    }).catch((error: Error) => {
      throw new Error(`${error.message} (at the end: ${short(this.unread.map(told))})`);
    });
    return this.unread.splice(find(), 1)[0]!;
  }

  /** True once `message` was taken back. */
  isCancelled({ id, connection }: Message): boolean {
    const isIts = (one: Message) =>
      one.method === "$/cancelRequest" && one.connection === connection && one.params.id === id;
    return connection.closed || this.unread.some(isIts);
  }

  /** Answers what matches, now and later, as invalid. */
  refuse(pattern: Pattern): void {
    this.#refused = pattern;
    for (const message of this.unread.splice(0)) this.#arrived(message);
  }

  #arrived(message: Message): void {
    const refused = this.#refused;
    if (
      refused?.method === message.method &&
      differences(message.params, refused.params).length === 0
    ) {
      const error = { code: 1, message: "There is none.", data: { reason: "invalid_params" } };
      return void message.connection.write({ jsonrpc: "2.0", id: message.id, error });
    }
    // A client may introduce itself, and no case depends on it.
    if (message.method !== "initialize") this.unread.push(message);
    else if (message.id !== undefined) {
      const result = {
        serverName: "authd",
        serverVersion: "0.0.0",
        protocolVersion: 1,
        methods: [],
      };
      void message.connection.write({ jsonrpc: "2.0", id: message.id, result });
    }
  }
}

/** What is shown of a message. */
const told = ({ method, params }: Message) => ({ method, params });

/** JSON of a value, cut where it is long. */
export function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length})` : text;
}
