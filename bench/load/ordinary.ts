/**
 * The clients that must not suffer: some with a connection that they keep, some with one for each
 * request, all asking at fixed times, whether or not the last answer has come.
 *
 *   node ordinary.js SOCKET CLIENTS RATE CONNECTS
 *
 * For each number that it is told, it measures so many milliseconds and tells what it found.
 */
import * as net from "node:net";
import { ready } from "../helpers/ready.ts";
import { percentile } from "../helpers/rounds.ts";
import { Refused, Wire } from "./wire.ts";

/** Of one measurement: milliseconds, and what went wrong. */
export interface Found {
  asked: number;
  p50: number;
  p99: number;
  most: number;
  connectP99: number;
  /** Not answered with a token, or not within PATIENCE. */
  failed: number;
  /** New connections that were turned away. */
  refused: number;
}

/** Longer than that is a hang. */
const PATIENCE = 10_000;
const [socket = "", clients = "64", rate = "2000", connects = "100"] = process.argv.slice(2);
const request = { method: "getToken", params: { credential: "bench" } };

class Times {
  readonly kept: number[] = [];
  readonly connecting: number[] = [];
  asked = 0;
  failed = 0;
  refused = 0;

  /** Resolves when it has its answer, or failed. */
  async note(into: number[], ask: () => Promise<unknown>): Promise<void> {
    this.asked++;
    const startedAt = performance.now();
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error("no answer")), PATIENCE).unref();
    });
    try {
      await Promise.race([ask(), late]);
      into.push(performance.now() - startedAt);
    } catch (error) {
      if (into === this.connecting && error instanceof Refused) this.refused++;
      else this.failed++;
    }
  }
}

async function once(): Promise<void> {
  const wire = new Wire(net.connect(socket));
  try {
    await wire.ask(request);
  } finally {
    wire.close();
  }
}

async function measure(wires: readonly Wire[], ms: number): Promise<Found> {
  const times = new Times();
  const under: Promise<void>[] = [];
  const startedAt = performance.now();
  let kept = 0;
  let connected = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = performance.now() - startedAt;
      if (elapsed >= ms) {
        clearInterval(timer);
        return resolve();
      }
      for (; kept < (elapsed / 1000) * Number(rate); kept++) {
        const wire = wires[kept % wires.length]!;
        under.push(times.note(times.kept, () => wire.ask(request)));
      }
      for (; connected < (elapsed / 1000) * Number(connects); connected++)
        under.push(times.note(times.connecting, once));
    }, 1);
  });
  await Promise.all(under);
  return {
    asked: times.asked,
    p50: percentile(times.kept, 0.5),
    p99: percentile(times.kept, 0.99),
    most: percentile(times.kept, 1),
    connectP99: percentile(times.connecting, 0.99),
    failed: times.failed,
    refused: times.refused,
  };
}

const wires = Array.from({ length: Number(clients) }, () => new Wire(net.connect(socket)));
await Promise.all(wires.map((wire) => wire.ask(request)));
process.on("message", async (ms) => process.send?.(await measure(wires, Number(ms))));
ready();
