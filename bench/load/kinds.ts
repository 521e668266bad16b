/** Clients that are a nuisance, each in its own way. */
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Refused, Wire } from "./wire.ts";

/** What became of what it did, by name: answers, `too_busy`, `closed`. */
export type Tally = Record<string, number>;

export interface Around {
  socket: string;
  /** The API's origin. */
  api: string;
  /** How many of whatever it does. */
  count: number;
  tally: Tally;
  /** Set when it is to end. */
  over: boolean;
}

/**
 * Resolves when the nuisance is as bad as it gets, with what ends it: that resolves when everything
 * has got an answer or a closed connection, or rejects with what hangs.
 */
export type Kind = (around: Around) => Promise<() => Promise<void>>;

const token = { method: "getToken", params: { credential: "bench" } };

const get = (around: Around, path: string, more: object = {}) => ({
  method: "authorizedRequest",
  params: { credential: "bench", url: `${around.api}${path}`, ...more },
});

const open = ({ socket }: Around) => new Wire(net.connect({ path: socket, allowHalfOpen: true }));

function note({ tally }: Around, what: string): void {
  tally[what] = (tally[what] ?? 0) + 1;
}

async function outcome(around: Around, answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
    note(around, "answered");
  } catch (error) {
    note(around, (error as Refused).reason);
  }
}

/** Rejects if it takes longer: then something hangs. */
async function within(ms: number, what: string, all: Iterable<Promise<unknown>>): Promise<void> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} after ${ms / 1000} s`);
  });
  late.catch(() => {});
  await Promise.race([Promise.all(all), late]);
  timer.abort();
}

/** Starts `count` things, not all in the same instant. */
async function many<T>(count: number, start: (index: number) => T): Promise<T[]> {
  const all: T[] = [];
  for (let i = 0; i < count; i++) {
    all.push(start(i));
    if (i % 50 === 49) await sleep(5);
  }
  return all;
}

/** Keeps so many of them going until it is over. */
function keepGoing(around: Around, width: number, once: () => Promise<void>): Promise<void>[] {
  return Array.from({ length: width }, async () => {
    while (!around.over) await once();
  });
}

export const kinds: Readonly<Record<string, Kind>> = {
  /** Connected, asked once, and then silent. */
  idle: async (around) => {
    const wires = await many(around.count, () => open(around));
    await within(
      20_000,
      "an idle client has no answer",
      wires.map((wire) => outcome(around, wire.ask(token))),
    );
    return async () => {
      for (const wire of wires) wire.close();
    };
  },

  /** A byte a second, of a request that is never whole. */
  drip: async (around) => {
    const line = JSON.stringify({ jsonrpc: "2.0", id: 1, ...token });
    const drip = async () => {
      const wire = open(around);
      for (let i = 0; i < line.length - 1 && !wire.socket.readableEnded; i++) {
        wire.socket.write(line[i]!);
        await Promise.race([sleep(1000), wire.closed]);
        if (wire.parting) break;
      }
      await wire.closed;
      note(around, wire.parting ?? "closed");
      wire.close();
    };
    const loops = (await many(around.count, () => keepGoing(around, 1, drip))).flat();
    await sleep(500);
    return () => within(15_000, "half a request is waited for", loops);
  },

  /** Asks and asks, and takes no byte of any answer. */
  unread: async (around) => {
    const wires = await many(around.count, () => open(around));
    for (const wire of wires) {
      wire.socket.pause();
      for (let i = 0; i < 2000; i++) void wire.ask(token).catch(() => {});
    }
    await sleep(1000);
    return async () => {
      await within(60_000, "a client that takes nothing is connected", wires.map(dropped));
      for (const _ of wires) note(around, "closed");
    };
  },

  /** A stream of half a GiB that nobody reads. */
  "unread-stream": async (around) => {
    const wires = await many(around.count, () => open(around));
    for (const wire of wires) {
      wire.socket.pause();
      const request = get(around, `/chunks/${512 * 1024 * 1024}`, { stream: true });
      void wire.ask(request).catch(() => {});
    }
    await sleep(1000);
    return async () => {
      for (const wire of wires) wire.close();
    };
  },

  /** Large whole answers, all at once, and none of them is taken. */
  "unread-large": async (around) => {
    const wires = await many(4, () => open(around));
    for (const wire of wires) {
      wire.socket.pause();
      for (let i = 0; i < around.count / 4; i++)
        void wire.ask(get(around, `/bytes/${4 * 1024 * 1024}`)).catch(() => {});
    }
    await sleep(1000);
    return async () => {
      await within(90_000, "a client that takes nothing is connected", wires.map(dropped));
      for (const _ of wires) note(around, "closed");
    };
  },

  /** The same, and all of them are taken. */
  large: async (around) => {
    const wires = await many(4, () => open(around));
    const ask = (wire: Wire, i: number) =>
      wire.ask(get(around, `/${i % 2 ? "bytes" : "chunks"}/${4 * 1024 * 1024}`));
    const answers = Array.from({ length: around.count }, (_, i) =>
      outcome(around, ask(wires[i % 4]!, i)),
    );
    return async () => {
      await within(60_000, "large answers are missing", answers);
      for (const wire of wires) wire.close();
    };
  },

  /** Opens and closes, with half a request or none, as fast as it can. */
  churn: async (around) => {
    let left = around.count;
    const once = async () => {
      if (left-- <= 0) return void (await sleep(50));
      const socket = net.connect(around.socket);
      socket.on("error", () => {});
      await new Promise((resolve) => {
        socket.once("connect", resolve).once("close", resolve);
      });
      if (left % 3 === 0) socket.write(JSON.stringify({ jsonrpc: "2.0", id: 1, ...token }));
      socket.destroy();
      note(around, "opened and closed");
    };
    const loops = keepGoing(around, 4, once);
    await sleep(200);
    return async () => {
      while (left > 0) await sleep(20);
      around.over = true;
      await Promise.all(loops);
    };
  },

  /** All that one connection may have in flight, and more, at a slow API. */
  slow: async (around) => {
    const wire = open(around);
    const width = around.count;
    const loops = keepGoing(around, width, () => outcome(around, wire.ask(get(around, "/slow"))));
    await sleep(500);
    const beyond = Array.from({ length: 1025 - width }, () =>
      outcome(around, wire.ask(get(around, "/slow"))),
    );
    return async () => {
      around.over = true;
      await within(40_000, `${wire.inFlight} requests have no answer`, [...loops, ...beyond]);
      wire.close();
    };
  },

  /** The same, with tokens, on one connection, over and over. */
  tokens: async (around) => {
    const wire = open(around);
    const loops = keepGoing(around, around.count, () => outcome(around, wire.ask(token)));
    await sleep(200);
    return async () => {
      around.over = true;
      await within(20_000, `${wire.inFlight} requests have no answer`, loops);
      wire.close();
    };
  },

  /** More connections than there are file descriptors, each with a request to a slow API. */
  greedy: async (around) => {
    const wires: Wire[] = [];
    const once = async () => {
      const wire = open(around);
      wires.push(wire);
      await outcome(around, wire.ask(get(around, "/slow")));
      await sleep(100);
      wire.close();
    };
    const loops = (await many(around.count, () => keepGoing(around, 1, once))).flat();
    await sleep(500);
    return () => within(40_000, "a connection is neither answered nor closed", loops);
  },
};

/** Resolves when the daemon has closed its side, which only a write tells while nothing is read. */
async function dropped(wire: Wire): Promise<void> {
  while (!wire.socket.destroyed) {
    wire.socket.write("\n");
    await sleep(200);
  }
}
