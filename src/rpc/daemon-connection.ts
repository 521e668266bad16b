import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import type { Socket } from "node:net";
import { AuthdError, type AuthdErrorDetails, errorCode, messageOf } from "../errors.ts";
import type { ErrorData } from "../protocol.ts";
import { FrameParser } from "./frame-parser.ts";
import { untrustedPathReason } from "./path-ownership.ts";
import { connect } from "./socket.ts";

/** Thrown when no daemon answers on the socket. Exit code 3. */
export class NoDaemonError extends AuthdError {
  override readonly name: string = "NoDaemonError";
  readonly code = "no_daemon";

  constructor(message: string, details?: AuthdErrorDetails) {
    super("no_daemon", message, details);
  }
}

/** The connection broke; whether the request was carried out is unknown. Never leaves the client. */
export class ConnectionLost extends Error {}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds after which even a daemon that says nothing counts as a failure. */
  timeoutMs?: number | undefined;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** Longest message that the daemon accepts; see protocol.ts. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
/** Longest text that Node can hold in one string, nearly. */
const MAX_ANSWER_BYTES = 500 * 1024 * 1024;

/** One connection to the daemon, speaking lines. It keeps the process alive while a call waits. */
export class DaemonConnection {
  /** Told of every notification. An AuthdError that it throws ends the connection and all calls. */
  onNotification: (name: string, params: object) => void = () => {};
  /** Told once, when the connection is gone for any reason. */
  onClose: () => void = () => {};
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #held = false;

  /** Rejects with NoDaemonError if nobody of ours answers on `path`. */
  static async open(path: string): Promise<DaemonConnection> {
    try {
      return new DaemonConnection(await connectToOurs(path));
    } catch (cause) {
      throw cause instanceof NoDaemonError ? cause : noDaemon(path, cause);
    }
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.unref();
    const parser = new FrameParser(MAX_ANSWER_BYTES, (body) =>
      this.#message(JSON.parse(body.toString())),
    );
    socket.on("data", (chunk: Buffer) => {
      try {
        parser.push(chunk);
      } catch {
        this.destroy();
      }
    });
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      this.#failAll(new ConnectionLost());
      this.onClose();
    });
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  /** Rejects with AuthdError, or ConnectionLost. */
  request(
    method: string,
    params: object,
    { signal, timeoutMs }: RequestOptions = {},
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw cancelled(method, signal);
      if (this.closed) throw new ConnectionLost();
      const id = ++this.#lastId;
      const message = line({ jsonrpc: "2.0", id, method, params });
      const giveUp = (error: AuthdError) => {
        this.#pending.get(id)?.reject(error);
        this.#socket.write(line({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } }));
      };
      const onAbort = () => giveUp(cancelled(method, signal));
      const timer = timeoutMs && setTimeout(() => giveUp(timedOut(method, timeoutMs)), timeoutMs);
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#pending.delete(id);
        this.#keepAlive();
      };
      this.#pending.set(id, {
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      signal?.addEventListener("abort", onAbort);
      this.#keepAlive();
      this.#socket.write(message);
    });
  }

  /** Keeps the process alive without a call, too: somebody waits for notifications. */
  hold(held: boolean): void {
    this.#held = held;
    this.#keepAlive();
  }

  /** Stops reading, so that the daemon has to wait. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #keepAlive(): void {
    // Without a handle, Node would note each of these for a connection that never comes.
    if (this.closed) return;
    if (this.#held || this.#pending.size > 0) this.#socket.ref();
    else this.#socket.unref();
  }

  #message({ id, method, params, result, error }: Incoming): void {
    if (method !== undefined) {
      this.#notified(method, params);
    } else if (id === null && error) {
      // About the connection as a whole, which the daemon closes after it.
      this.#failAll(fromWire(error));
      this.destroy();
    } else if (typeof id === "number") {
      const pending = this.#pending.get(id);
      if (error) pending?.reject(fromWire(error));
      else pending?.resolve(result);
    }
  }

  #notified(method: string, params: object = {}): void {
    try {
      this.onNotification(method, params);
    } catch (error) {
      if (error instanceof AuthdError) this.#failAll(error);
      this.destroy();
    }
  }

  #failAll(error: Error): void {
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }
}

interface Incoming {
  id?: number | null;
  method?: string;
  params?: object;
  result?: unknown;
  error?: {
    code: number;
    message: string;
    data?: { [Name in keyof ErrorData]?: ErrorData[Name] | null } | null;
  };
}

function line(message: object): string {
  const json = `${toJson(message)}\n`;
  if (json.length * 3 <= MAX_REQUEST_BYTES) return json;
  const bytes = Buffer.byteLength(json);
  if (bytes <= MAX_REQUEST_BYTES) return json;
  throw new AuthdError(
    "request_too_large",
    `The request takes ${bytes} bytes; authd accepts ${MAX_REQUEST_BYTES} in one message.`,
  );
}

function toJson(message: object): string {
  try {
    return JSON.stringify(message);
  } catch (cause) {
    throw new AuthdError("invalid_params", `The params are no JSON: ${messageOf(cause)}.`, {
      cause,
    });
  }
}

/** JSON-RPC 2.0, section 5.1. */
const METHOD_NOT_FOUND = -32601;

function fromWire({ code, message, data }: NonNullable<Incoming["error"]>): AuthdError {
  const given = Object.entries(data ?? {}).filter(([, value]) => value !== null);
  const { reason = "internal", ...details }: Partial<ErrorData> = Object.fromEntries(given);
  if (code === METHOD_NOT_FOUND) return new AuthdError(reason, `${message} ${OLDER}`);
  return new AuthdError(reason, message, details);
}

/**
 * Whoever owns the socket gets to see what is sent to it: that must be us or root, or a daemon for
 * several users, in a place that root has made for it. Between a look at a path and the use of it,
 * somebody may put another socket there: so the very file that was looked at is held and connected
 * to, or where that can't be done, the kernel is asked who answers.
 */
async function connectToOurs(path: string): Promise<Socket> {
  if (process.platform === "win32") {
    // Loaded here only: no client elsewhere needs it.
    const { connectToOwnPipe } = await import("./own-pipe.ts");
    return await connectToOwnPipe(path);
  }
  if (process.platform === "linux" && existsSync("/proc/self/fd")) {
    const held = openSync(path, O_PATH);
    try {
      refuseImpostor(path, fstatSync(held), () => readlinkSync(`/proc/self/fd/${held}`));
      return await connect(`/proc/self/fd/${held}`);
    } finally {
      closeSync(held);
    }
  }
  const real = realpathSync(path);
  refuseImpostor(path, statSync(real), () => real);
  const socket = await connect(real);
  try {
    // Loaded here only: on Linux no client needs it.
    const { peerOf } = await import("./peer.ts");
    refuseOther(path, peerOf(socket)?.uid, () => real);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** open(2): the file itself, neither read nor written. Node does not name it. */
const O_PATH = 0o10000000;

function refuseImpostor(path: string, found: Stats, realPath: () => string): void {
  if (!found.isSocket()) throw new NoDaemonError(`${path} is not a socket. ${HINT}`);
  refuseOther(path, found.uid, realPath);
}

function refuseOther(path: string, uid: number | undefined, realPath: () => string): void {
  const own = process.geteuid?.();
  if (uid === own || uid === 0) return;
  const why = uid === undefined ? "its user can't be told" : untrustedPathReason(realPath(), uid);
  if (why === undefined) return;
  throw new NoDaemonError(
    `The socket ${path} belongs to user ${uid}, not to you (${own}), and ${why}: nothing was sent. ${HINT}`,
  );
}

/** Said where the daemon does not know what this authd asks for. */
const OLDER =
  "The running authd is of an older version than this command: end it (authd stop) and start it again, or authd service install.";

const HINT = "Start authd with `authd serve`, or name its socket in AUTHD_SOCKET.";

/** cron, su and the like leave out what says where a service's socket is: a client looks there all the same. */
function alsoLookedAt(): string {
  const { AUTHD_SOCKET, XDG_RUNTIME_DIR } = process.env;
  if (process.platform !== "linux" || AUTHD_SOCKET || XDG_RUNTIME_DIR) return "";
  return `, nor a service's in /run/user/${process.geteuid?.()}`;
}

function noDaemon(path: string, cause: unknown): NoDaemonError {
  const code = errorCode(cause) ?? messageOf(cause);
  const what =
    code === "EACCES"
      ? `You (user ${process.geteuid?.()}) may not use the socket ${path}: it is another user's, or in a folder of one (${code}).`
      : `No daemon answers on ${path} (${code})${alsoLookedAt()}.`;
  return new NoDaemonError(`${what} ${HINT}`, { cause });
}

const cancelled = (method: string, signal: AbortSignal | undefined) =>
  new AuthdError("cancelled", `${method} was cancelled.`, { cause: signal?.reason });

const timedOut = (method: string, ms: number) =>
  new AuthdError("timeout", `authd has not answered ${method} within ${Math.ceil(ms / 1000)} s.`);
