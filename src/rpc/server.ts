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
import { type CpuBudget, CpuBudgets } from "./cpu-budget.ts";
import { checkedGetToken, Dispatcher } from "./dispatcher.ts";
import type { SharedParts, TransportLimits } from "./json-rpc-transport.ts";
import { KnownRequests } from "./known-requests.ts";
import { codes } from "./message.ts";
import { Newcomers } from "./newcomers.ts";
import { isOwnPeer, type Peer } from "./peer.ts";
import { createSerializer } from "./serializer.ts";

export interface ServerLimits extends TransportLimits, HoldingLimits {
  connections: number;
}

/** Time (ms) for which a rejected connection stays open so that the client can read the error. */
const LINGER_MS = 1000;
/** CPU time (ms) that Node takes for a connection, about. */
const ACCEPT_MS = 0.1;
/** Accepting that takes longer (ms) than this was interrupted by other processes. */
const MAX_ACCEPT_MS = 0.3;
/** Rejected connections that stay open at once: each takes a file descriptor. */
const MAX_LINGERING = 32;
/** Part (ms) of the time to close that is kept for answering requests which did not end before. */
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

type Authorize = (socket: net.Socket) => Peer | undefined;

export interface ServerOptions {
  handlers: Handlers;
  log: Log;
  /** Returns the peer; throws AuthdError to have the connection destroyed before a byte is read. */
  authorize?: Authorize;
  /** Decides whether clients of other users may ask for anything; without it all may. */
  admission?: AdmissionOptions;
  /** CPU time that each client may use. */
  budgets?: CpuBudgets;
  limits?: Partial<ServerLimits>;
}

export interface Server {
  /** Node's server, which listens; see socket.ts. */
  readonly net: net.Server;
  /** Creates another one, whose connections `authorize` decides about. Its limits are those of all. */
  another(authorize: Authorize): net.Server;
  readonly connections: number;
  /** Memory that is held for clients now. */
  readonly memoryBudget: MemoryBudget;
  /** Closes the connections of peers that are not welcome any more. */
  dismiss(isWelcome: (peer: Peer | undefined) => boolean): void;
  /**
   * Accepts nobody any more, answers new requests with `shutting_down`, and closes all connections
   * when all in flight is answered: shortly before `graceMs` are over with `shutting_down`, too.
   */
  close(graceMs: number): Promise<void>;
}

/** Serves JSON-RPC 2.0 in both framings to every client that connects to its `net`. */
export function createServer(options: ServerOptions): Server {
  const { handlers, log, admission, budgets = new CpuBudgets(), limits } = options;
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

  const authorizedPeer = (
    socket: net.Socket,
    authorize: Authorize | undefined,
  ): { peer: Peer | undefined } | undefined => {
    try {
      return { peer: authorize?.(socket) };
    } catch (error) {
      const isOurs = error instanceof AuthdError;
      const reason = isOurs ? error.reason : "internal";
      log.warn({ reason }, isOurs ? error.message : "peer check failed");
      return undefined;
    }
  };

  const accept = (socket: net.Socket, authorize: Authorize | undefined) => {
    // Its "close" follows, and that is where a connection is cleared away.
    socket.on("error", () => {});
    const startedAtMs = budgets.now();
    const known = connections.size + newcomers.size;
    if (known >= limited.connections)
      return turnAway(socket, tooMany(limited.connections), lingering);
    const authorized = authorizedPeer(socket, authorize);
    if (!authorized) return void socket.destroy();
    const { peer } = authorized;
    const user = memoryBudget.tallyOf(isOwnPeer(peer) ? undefined : peer?.uid);
    const limit = user && exceededLimit(user, known, limited.connections);
    if (limit !== undefined) return turnAway(socket, tooMany(limit), lingering);
    const budget = budgets.of(peer, user?.isRefused);
    const wasOpened = openInBudget(socket, peer, user, budget);
    if (!wasOpened) turnAway(socket, TOO_FAST, lingering);
    const nowMs = budgets.now();
    budget.spend(Math.min(nowMs - startedAtMs, MAX_ACCEPT_MS) + ACCEPT_MS, nowMs);
  };

  /** Opens a connection now or when the budget has come back; returns false if too many wait for that. */
  const openInBudget = (
    socket: net.Socket,
    peer: Peer | undefined,
    user: UserUsage | undefined,
    budget: CpuBudget,
  ): boolean => {
    if (budget.pauseMs > 0)
      return newcomers.wait(socket, peer, budget, () => open(socket, peer, user));
    open(socket, peer, user);
    return true;
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

  const servers: net.Server[] = [];
  const createNet = (authorize: Authorize | undefined): net.Server => {
    // Half-open: `nc -N` and shell pipelines close their side and still wait for the answer.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => accept(socket, authorize));
    // Connections beyond this are dropped by Node without reaching our code.
    server.maxConnections = limited.connections + MAX_LINGERING;
    // An error without a listener, such as running out of file descriptors, could end the process.
    server.on("error", ({ message }) => {
      if (server.listening) log.error({}, `a client could not be accepted: ${message}`);
    });
    servers.push(server);
    return server;
  };
  const server = createNet(options.authorize);

  return {
    net: server,
    another: createNet,
    get connections() {
      return connections.size;
    },
    memoryBudget,
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
      const closed = Promise.all(
        servers.map((each) => new Promise((resolve) => each.close(resolve))),
      );
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

/**
 * Returns the limit of connections that another user has reached: its own, or that of all users together,
 * which leaves some for the daemon's own user and root.
 */
function exceededLimit(user: UserUsage, connections: number, limit: number): number | undefined {
  const ownLimit = guestLimit(limit);
  if (user.connections >= ownLimit) return ownLimit;
  const guestsLimit = limit - Math.floor(limit / 8);
  return connections >= guestsLimit ? guestsLimit : undefined;
}

const shuttingDown = () =>
  new AuthdError("shutting_down", "authd is shutting down; try again when it is back.", {
    retryAfterMs: RETRY_AFTER_MS,
  });

const tooMany = (limit: number) =>
  `authd serves ${limit} connections already; close some, or raise max_connections.`;
const TOO_FAST =
  "This program keeps authd from serving others: keep connections open instead of opening new ones, and try again later.";

/** Rejects a connection, with the reason in lines: the client has not shown its framing yet. */
function turnAway(socket: net.Socket, message: string, lingering: Set<net.Socket>): void {
  if (lingering.size >= MAX_LINGERING) return void socket.destroy();
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
