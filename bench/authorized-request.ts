/**
 * authorizedRequest through a real daemon, with ratios in one run, rounds of the two in turn:
 * small answers against the same undici request made directly (and against a bare relay, which shows
 * what a second process in between costs at least), and a streamed body of 10 MiB against a bare
 * Node relay that puts base64 chunks into the same frames.
 *
 *   node dist/bench/authorized-request.js
 */
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";
import { FrameParser, frame } from "../src/frames.ts";

const ROUNDS = 11;
const TARGETS = { median: 1.5, throughput: 0.6 };
const BODY_BYTES = 10 * 1024 * 1024;
const TOKEN = "bench".repeat(100);

interface Message {
  id?: number;
  method?: string;
  params?: { url?: string; stream?: boolean; data?: string };
  error?: unknown;
}

/** The API: a small JSON answer, and `/big`. */
function serveApi(): void {
  const small = JSON.stringify({
    items: Array.from({ length: 20 }, (_, id) => ({ id, ok: true })),
  });
  const big = Buffer.alloc(BODY_BYTES, "some text of an answer, over and over again. ");
  const server = http.createServer((seen, response) => {
    if (seen.headers.authorization !== `Bearer ${TOKEN}`) response.writeHead(401).end();
    else
      response.setHeader("content-type", "application/json").end(seen.url === "/big" ? big : small);
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as net.AddressInfo).port));
}

/** As little as Node and undici can do to pass requests on: what any daemon in between costs. */
function serveRelay(path: string): void {
  const agent = new http.Agent({ keepAlive: true });
  const direct = directly();
  const server = net.createServer((socket) => {
    const send = (message: object) => {
      const json = JSON.stringify({ jsonrpc: "2.0", ...message });
      return socket.write(frame("base", json, Buffer.byteLength(json)));
    };
    const answer = async ({ id, params: { url = "" } = {} }: Message) => {
      const { statusCode, headers, body } = await request(url, direct);
      send({ id, result: { status: statusCode, headers, body: await body.text() } });
    };
    const stream = ({ id, params: { url = "" } = {} }: Message) =>
      http.get(url, { agent, headers: direct.headers }, (response) => {
        response.on("data", (chunk: Buffer) => {
          const data = chunk.toString("base64");
          if (send({ method: "response/chunk", params: { id, data } })) return;
          response.pause();
          socket.once("drain", () => response.resume());
        });
        response.on("end", () => send({ id, result: {} }));
      });
    const parser = new FrameParser(1024 * 1024, (body) => {
      const message = JSON.parse(body.toString()) as Message;
      if (message.params?.stream) stream(message);
      else void answer(message);
    });
    socket.on("error", () => {}).on("data", (chunk) => parser.push(chunk));
  });
  server.listen(path, () => process.send?.(path));
}

function directly() {
  const headers = { authorization: `Bearer ${TOKEN}`, accept: "*/*" };
  return { dispatcher: new Agent(), headers };
}

/** One connection, one request at a time; chunks are decoded and counted. */
class Caller {
  readonly #socket: net.Socket;
  #lastId = 0;
  #bytes = 0;
  #onResult: (message: Message) => void = () => {};

  constructor(path: string) {
    this.#socket = net.connect(path);
    const parser = new FrameParser(64 * 1024 * 1024, (body) => {
      const message = JSON.parse(body.toString()) as Message;
      if (message.method === "response/chunk") {
        this.#bytes += Buffer.from(message.params?.data ?? "", "base64").length;
      } else if (message.id !== undefined) {
        this.#onResult(message);
      }
    });
    this.#socket.on("data", (chunk) => parser.push(chunk));
  }

  /** Resolves with the bytes that came in chunks. */
  call(method: string, params: object): Promise<number> {
    this.#bytes = 0;
    const json = JSON.stringify({ jsonrpc: "2.0", id: ++this.#lastId, method, params });
    this.#socket.write(frame("base", json, Buffer.byteLength(json)));
    return new Promise((resolve, reject) => {
      this.#onResult = ({ error }) =>
        error ? reject(new Error(JSON.stringify(error))) : resolve(this.#bytes);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Starts this file as another process; resolves with what it tells first. */
async function start(role: string, ...args: string[]) {
  const child = fork(fileURLToPath(import.meta.url), [role, ...args]);
  const [told] = await once(child, "message");
  return { told: told as number | string, stop: () => child.kill() };
}

async function startDaemon(folder: string, origin: string) {
  const socket = join(folder, "authd.sock");
  const env = {
    ...process.env,
    AUTHD_SOCKET: socket,
    AUTHD_CONFIG_DIR: join(folder, "config"),
    AUTHD_STATE_DIR: join(folder, "state"),
    AUTHD_VAULT_KEY: "file",
    AUTHD_LOG_LEVEL: "error",
  };
  const main = fileURLToPath(new URL("../src/main.js", import.meta.url));
  const child = spawn(process.execPath, [main, "serve"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const caller = new Caller(socket);
  await caller.call("credentials/add", {
    name: "bench",
    grant: "static",
    settings: { origins: [origin] },
    secrets: { token: TOKEN },
  });
  return { caller, stop: () => child.kill() };
}

/** Microseconds: the median of one call after another. */
async function latency(call: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < 100; i++) await call();
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const before = performance.now();
    await call();
    times.push(performance.now() - before);
  }
  return median(times) * 1000;
}

/** MiB a second. */
async function throughput(call: () => Promise<number>): Promise<number> {
  const before = performance.now();
  for (let i = 0; i < 10; i++) {
    const bytes = await call();
    if (bytes !== BODY_BYTES) throw new Error(`${bytes} bytes came`);
  }
  return (10 * BODY_BYTES) / 1024 / 1024 / ((performance.now() - before) / 1000);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Rounds of all in turn, the first one changing; medians, and the median ratio to the first. */
async function compare(measures: Record<string, () => Promise<number>>) {
  const names = Object.keys(measures);
  const rounds: Record<string, number>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const values: Record<string, number> = {};
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]!;
      values[name] = await measures[name]!();
    }
    rounds.push(values);
  }
  const base = names[0]!;
  return names.map((name) => ({
    name,
    value: median(rounds.map((values) => values[name]!)).toFixed(0),
    ratio: median(rounds.map((values) => values[name]! / values[base]!)).toFixed(2),
  }));
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "authd-bench-"));
  const stops: (() => void)[] = [];
  try {
    const api = await start("api");
    stops.push(api.stop);
    const origin = `http://127.0.0.1:${api.told}`;
    const relay = await start("relay", join(folder, "relay.sock"));
    stops.push(relay.stop);
    const daemon = await startDaemon(folder, origin);
    stops.push(daemon.stop);
    await measure(origin, daemon.caller, new Caller(join(folder, "relay.sock")));
  } finally {
    for (const stop of stops) stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(origin: string, authd: Caller, relay: Caller): Promise<void> {
  const small = { credential: "bench", url: `${origin}/` };
  const direct = directly();
  const latencies = await compare({
    "undici directly": () => latency(async () => (await request(small.url, direct)).body.text()),
    "a bare relay": () => latency(() => relay.call("authorizedRequest", small)),
    authd: () => latency(() => authd.call("authorizedRequest", small)),
  });
  for (const { name, value, ratio } of latencies) {
    console.log(`authorizedRequest, ${name}: ${value} µs, ratio ${ratio}`);
  }
  console.log(`  (target: authd at most ${TARGETS.median})`);
  const big = { credential: "bench", url: `${origin}/big`, stream: true };
  const throughputs = await compare({
    "a bare relay": () => throughput(() => relay.call("authorizedRequest", big)),
    authd: () => throughput(() => authd.call("authorizedRequest", big)),
  });
  for (const { name, value, ratio } of throughputs) {
    console.log(`10 MiB streamed, ${name}: ${value} MiB/s, ratio ${ratio}`);
  }
  console.log(`  (target: authd at least ${TARGETS.throughput})`);
  authd.close();
  relay.close();
  await direct.dispatcher.close();
}

const [role, path = ""] = process.argv.slice(2);
if (role === "api") serveApi();
else if (role === "relay") serveRelay(path);
else await main();
