import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../base/log.ts";
import {
  guestLimit,
  type HoldingLimits,
  MemoryBudget,
  RETRY_AFTER_MS,
  type UserUsage,
} from "../base/memory-budget.ts";
import { AuthdError } from "../errors.ts";
import { MAX_FRAME_BYTES, MAX_FRAME_DEPTH, MAX_FRAME_TOKENS } from "../protocol.ts";
import type { AdmissionOptions } from "./admission.ts";
import type { Handlers } from "./call.ts";
import { Connection } from "./connection.ts";
import { CpuBudgets } from "./cpu-budget.ts";
import { checkedGetToken, Dispatcher } from "./dispatcher.ts";
import type { SharedParts, TransportLimits } from "./json-rpc-transport.ts";
import { KnownRequests } from "./known-requests.ts";
import { codes } from "./message.ts";
import { Newcomers } from "./newcomers.ts";
import { isOwnPeer, type Peer } from "./peer.ts";
import { createSerializer } from "./serializer.ts";

export type { RefusedRequest } from "./admission.ts";
export type { Call, ConnectionHandle, Handlers, HandlersWithoutUploads } from "./call.ts";

export interface ServerLimits extends TransportLimits, HoldingLimits {
  connections: number;
}

/** How long somebody who is turned away has to read why. */
const LINGER_MS = 1000;
/** What a connection costs (ms) before anything of it is known here: Node's part, about. */
const ACCEPT_MS = 0.1;
/** What takes longer (ms) than this was interrupted by other processes. */
const MOST_ACCEPT_MS = 1;
/** How many of those at once: each takes a file descriptor. */
const MOST_LINGERING = 32;
/** Of the time to close, what is kept for the answers to those whose requests did not end by then. */
const LAST_ANSWERS_MS = 500;
const MiB = 1024 * 1024;

export const DEFAULT_LIMITS: Readonly<ServerLimits> = {
  connections: 1024,
  frameBytes: MAX_FRAME_BYTES,
  refusedFrameBytes: 64 * 1024,
  json: { tokens: MAX_FRAME_TOKENS, depth: MAX_FRAME_DEPTH },
  frameMs: 10_000,
  inFlight: 1024,
  inFlightBytes: 4 * MAX_FRAME_BYTES,
  lowWaterBytes: MiB / 4,
  highWaterBytes: MiB,
  maxBufferedBytes: 64 * MiB,
  stallTimeoutMs: 30_000,
  requestBytes: 128 * MiB,
  answers: 4096,
  answerBytes: 128 * MiB,
  answerBytesEach: 64 * MiB,
};

export interface ServerOptions {
  handlers: Handlers;
  log: Log;
  /** Who connects; throws AuthdError to have the connection destroyed before a byte is read. */
  authorize?: (socket: net.Socket) => Peer | undefined;
  /** Of clients of other users: whether there is anything for them. Without it all are heard. */
  admission?: AdmissionOptions;
  /** How long each client may keep the thread busy. */
  budgets?: CpuBudgets;
  limits?: Partial<ServerLimits>;
}

export interface Server {
  /** To listen with; see socket.ts. */
  readonly net: net.Server;
  readonly connections: number;
  /** What is held for clients at this moment. */
  readonly memoryBudget: MemoryBudget;
  /** Closes the connections of those who could not connect any more. */
  dismiss(isWelcome: (peer: Peer | undefined) => boolean): void;
  /**
   * Accepts nobody any more, answers new requests with `shutting_down`, and closes all connections
   * when all in flight is answered: shortly before `graceMs` are over with `shutting_down`, too.
   */
  close(graceMs: number): Promise<void>;
}

/** Serves JSON-RPC 2.0 in both framings to every client that connects to its `net`. */
export function createServer(options: ServerOptions): Server {
  const { handlers, log, authorize, admission, budgets = new CpuBudgets(), limits } = options;
  const limited = { ...DEFAULT_LIMITS, ...limits };
  const connections = new Set<Connection>();
  const memoryBudget = new MemoryBudget(limited);
  const newcomers = new Newcomers();
  const lingering = new Set<net.Socket>();
  const dispatcher = new Dispatcher(handlers, log);
  const shared: SharedParts = {
    limits: limited,
    serialize: createSerializer(),
    memoryBudget,
    knownRequests: new KnownRequests(checkedGetToken),
  };

  const accept = (socket: net.Socket) => {
    // Its "close" follows, and that is where a connection is cleared away.
    socket.on("error", () => {});
    const startedAtMs = budgets.now();
    if (connections.size + newcomers.size >= limited.connections) {
      return turnAway(socket, tooMany(limited.connections), lingering);
    }
    let peer: Peer | undefined;
    try {
      peer = authorize?.(socket);
    } catch (error) {
      const reason = error instanceof AuthdError ? error.reason : "internal";
      log.warn({ reason }, error instanceof AuthdError ? error.message : "peer check failed");
      return void socket.destroy();
    }
    const user = memoryBudget.tallyOf(isOwnPeer(peer) ? undefined : peer?.uid);
    if (user) {
      const most = guestLimit(limited.connections);
      if (user.connections >= most) return turnAway(socket, tooMany(most), lingering);
      // All of them together leave some for our own user and root.
      const forAll = limited.connections - Math.floor(limited.connections / 8);
      if (connections.size + newcomers.size >= forAll)
        return turnAway(socket, tooMany(forAll), lingering);
    }
    const budget = budgets.of(peer, user?.isRefused);
    if (budget.pauseMs === 0) open(socket, peer, user);
    else if (!newcomers.wait(socket, peer, budget, () => open(socket, peer, user))) {
      turnAway(socket, TOO_FAST, lingering);
    }
    const nowMs = budgets.now();
    budget.spend(Math.min(nowMs - startedAtMs, MOST_ACCEPT_MS) + ACCEPT_MS, nowMs);
  };

  const open = (socket: net.Socket, peer: Peer | undefined, user: UserUsage | undefined) => {
    const guard = { budgets, user, admission: user && admission };
    const connection = new Connection(socket, peer, shared, dispatcher, guard);
    connections.add(connection);
    if (user) user.connections++;
    connection.onClose(() => {
      connections.delete(connection);
      if (user) user.connections--;
    });
  };

  // Half-open: `nc -N` and shell pipelines close their side and still wait for the answer.
  const server = net.createServer({ allowHalfOpen: true }, accept);
  // Beyond those that are told why, a crowd at the door costs next to nothing.
  server.maxConnections = limited.connections + MOST_LINGERING;
  // Without a listener, running out of file descriptors could end the process.
  server.on("error", ({ message }) => {
    if (server.listening) log.error({}, `a client could not be accepted: ${message}`);
  });

  return {
    net: server,
    get connections() {
      return connections.size;
    },
    memoryBudget: memoryBudget,
    dismiss(isWelcome) {
      newcomers.dismiss(isWelcome);
      const unwelcome = [...connections].filter(({ peer }) => !isWelcome(peer));
      for (const connection of unwelcome) connection.destroy();
      const count = unwelcome.length;
      if (count > 0)
        log.warn({ count }, "connections were closed: their users may not ask any more");
    },
    async close(graceMs) {
      dispatcher.refusal = shuttingDown;
      newcomers.dismiss(() => false);
      const closed = new Promise((resolve) => server.close(resolve));
      const deadline = performance.now() + graceMs;
      const idleUntil = async (limit: number) => {
        const busy = () => [...connections].some(({ idle }) => !idle);
        while (busy() && performance.now() < limit) await sleep(10);
      };
      await idleUntil(deadline - Math.min(LAST_ANSWERS_MS, graceMs / 2));
      for (const connection of connections) connection.interrupt(shuttingDown());
      await idleUntil(deadline);
      const gone = [...connections].map(
        (connection) =>
          new Promise<void>((resolve) => {
            connection.onClose(resolve);
            connection.end(shuttingDown());
          }),
      );
      await Promise.all([closed, ...gone]);
    },
  };
}

const shuttingDown = () =>
  new AuthdError("shutting_down", "authd is shutting down; try again when it is back.", {
    retryAfterMs: RETRY_AFTER_MS,
  });

const tooMany = (limit: number) =>
  `authd serves ${limit} connections already; close some, or raise max_connections.`;
const TOO_FAST =
  "This program keeps authd from serving others: keep connections open instead of opening new ones, and try again later.";

/** In lines, as the client has not shown its framing yet; any reader gets to see it. */
function turnAway(socket: net.Socket, message: string, lingering: Set<net.Socket>): void {
  if (lingering.size >= MOST_LINGERING) return void socket.destroy();
  const data = { reason: "too_busy", retryAfterMs: RETRY_AFTER_MS };
  const error = { code: codes.failed, message, data };
  socket.end(`${JSON.stringify({ jsonrpc: "2.0", id: null, error })}\n`);
  // A client that is still writing must not lose the message to a broken pipe.
  lingering.add(socket);
  socket.resume();
  socket.once("end", () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once("close", () => {
    clearTimeout(timer);
    lingering.delete(socket);
  });
}
