/**
 * Warm getToken against a bare Node server that parses the same frame and stringifies the same
 * answer: ratios in one run, rounds of the two in turn, each server in a process of its own.
 *
 *   node dist/bench/get-token.js                                  our server, with a fixed answer
 *   node dist/bench/get-token.js --socket PATH --credential NAME  a daemon that is running
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Handlers } from "../src/call.ts";
import { FrameParser, type Framing, frame } from "../src/frames.ts";
import type { GetTokenResult } from "../src/protocol.ts";
import { createServer } from "../src/server.ts";
import { listen } from "../src/socket.ts";

const ROUNDS = 15;
const framings: Framing[] = ["base", "lines"];
const TARGETS = { median: 1.2, throughput: 0.7 };

const token = `bench-${"x".repeat(900)}`;
const answer: GetTokenResult = Object.freeze({
  accessToken: token,
  tokenType: "Bearer",
  expiresAt: 4_102_444_800_000,
  headers: Object.freeze({ authorization: `Bearer ${token}` }),
});

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    socket: { type: "string" },
    credential: { type: "string", default: "bench" },
    serve: { type: "string" },
  },
});

/** What the ratios are against: as little as Node can do for the same answer. */
function serveBare(path: string): void {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    const parser = new FrameParser(1024 * 1024, (body) => {
      const { id } = JSON.parse(body.toString());
      const json = JSON.stringify({ jsonrpc: "2.0", id, result: answer });
      socket.write(frame(parser.framing ?? "lines", json, Buffer.byteLength(json)));
    });
    socket.on("data", (chunk) => parser.push(chunk));
  });
  server.listen(path, () => process.send?.("ready"));
}

async function serveAuthd(path: string): Promise<void> {
  const handlers = { getToken: () => answer } as unknown as Handlers;
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  await listen(createServer({ handlers, log }).net, path);
  process.send?.("ready");
}

function start(kind: string, path: string): Promise<() => void> {
  const child = fork(fileURLToPath(import.meta.url), ["--serve", kind, path]);
  return new Promise((resolve, reject) => {
    child.once("message", () => resolve(() => child.kill()));
    child.once("exit", (code) => reject(new Error(`the ${kind} server ended with ${code}`)));
  });
}

/** A connection that keeps `width` requests in flight until it has had `total` answers. */
class Load {
  readonly #socket: net.Socket;
  readonly #parser: FrameParser;
  readonly #requests: Buffer[];
  #onAnswer: () => void = () => {};

  constructor(socket: net.Socket, framing: Framing, width: number) {
    this.#socket = socket;
    this.#requests = Array.from({ length: width }, (_, id) => request(framing, id));
    this.#parser = new FrameParser(1024 * 1024, () => this.#onAnswer());
    socket.on("data", (chunk) => this.#parser.push(chunk));
  }

  /** Sends as many requests as a chunk of answers has brought, in one write. */
  run(total: number): Promise<void> {
    const width = this.#requests.length;
    let sent = 0;
    let answered = 0;
    let due = 0;
    const send = () => {
      const batch: Buffer[] = [];
      for (; due > 0 && sent < total; due--) batch.push(this.#requests[sent++ % width]!);
      due = 0;
      if (batch.length > 0)
        this.#socket.write(batch.length === 1 ? batch[0]! : Buffer.concat(batch));
    };
    return new Promise((resolve) => {
      this.#onAnswer = () => {
        answered++;
        if (due++ === 0) queueMicrotask(send);
        if (answered === total) resolve();
      };
      due = width;
      send();
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

function request(framing: Framing, id: number): Buffer {
  const params = { credential: values.credential };
  const json = JSON.stringify({ jsonrpc: "2.0", id, method: "getToken", params });
  return Buffer.from(frame(framing, json, json.length));
}

function open(path: string, framing: Framing, width: number): Promise<Load> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path, () => resolve(new Load(socket, framing, width)));
    socket.once("error", reject);
  });
}

/** Microseconds, median of one round trip after another. */
async function latency(path: string, framing: Framing): Promise<number> {
  const load = await open(path, framing, 1);
  await load.run(300);
  const times: number[] = [];
  for (let i = 0; i < 3000; i++) {
    const start = performance.now();
    await load.run(1);
    times.push(performance.now() - start);
  }
  load.close();
  return median(times) * 1000;
}

/** Requests a second, 8 connections with 16 requests in flight each. */
async function throughput(path: string, framing: Framing): Promise<number> {
  const loads = await Promise.all(Array.from({ length: 8 }, () => open(path, framing, 16)));
  await Promise.all(loads.map((load) => load.run(500)));
  const start = performance.now();
  await Promise.all(loads.map((load) => load.run(2500)));
  const seconds = (performance.now() - start) / 1000;
  for (const load of loads) load.close();
  return (8 * 2500) / seconds;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

async function compare(
  measure: (path: string, framing: Framing) => Promise<number>,
  framing: Framing,
  [bare, ours]: [string, string],
) {
  const rounds: { bare: number; ours: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // The order alternates, as whoever comes second finds a warmer machine.
    const first = await measure(round % 2 ? ours : bare, framing);
    const second = await measure(round % 2 ? bare : ours, framing);
    rounds.push(round % 2 ? { ours: first, bare: second } : { bare: first, ours: second });
  }
  return {
    bare: median(rounds.map((round) => round.bare)),
    ours: median(rounds.map((round) => round.ours)),
    ratio: median(rounds.map((round) => round.ours / round.bare)),
  };
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "authd-bench-"));
  const bare = join(folder, "bare.sock");
  const ours = values.socket ?? join(folder, "authd.sock");
  const stops = [await start("bare", bare)];
  if (!values.socket) stops.push(await start("authd", ours));
  try {
    for (const framing of framings) {
      const one = await compare(latency, framing, [bare, ours]);
      console.log(
        `getToken, one connection, ${framing}: ${one.ours.toFixed(1)} µs, bare ${one.bare.toFixed(1)} µs, ratio ${one.ratio.toFixed(2)} (target at most ${TARGETS.median})`,
      );
      const many = await compare(throughput, framing, [bare, ours]);
      console.log(
        `getToken, 8 x 16 in flight, ${framing}: ${many.ours.toFixed(0)}/s, bare ${many.bare.toFixed(0)}/s, ratio ${many.ratio.toFixed(2)} (target at least ${TARGETS.throughput})`,
      );
    }
  } finally {
    for (const stop of stops) stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.serve === "bare") serveBare(positionals[0]!);
else if (values.serve === "authd") await serveAuthd(positionals[0]!);
else await main();
