/**
 * A round trip over the socket beside those of ssh-agent (its list of keys), oidc-agent (its list of accounts)
 * and a bare Node server: with 1, 8 and 64 connections that each have one request under way, and with a
 * connection for each call. One client for all; peers that are not installed are left out by name.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { number } from "./helpers/amounts.ts";
import { startBareServers } from "./helpers/bare-servers.ts";
import { type Bench, run } from "./helpers/bench.ts";
import { ENV, startDaemon, startListening } from "./helpers/child.ts";
import { fillHome, makeHome } from "./helpers/home.ts";
import { compare } from "./helpers/rounds.ts";

/** A server, and how to ask it. */
interface Peer {
  socket: string;
  request: Buffer;
  /** True if an answer is whole. */
  isWhole(answer: Buffer): boolean;
  /** It ends the connection after each answer. */
  endsEach?: true;
}

const WIDTHS = [1, 8, 64];
const params = { credential: "bench" };
const NEWLINE = 0x0a;

await run(async (bench) => {
  const home = makeHome(bench);
  await fillHome(home, new Map([["bench", `preset = "labelf"\nclient_id = "bench"\n`]]));
  await startDaemon(bench, home);
  const bare = await startBareServers(bench, home.socket, params);
  const request = `${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "getToken", params })}\n`;
  const lines = {
    request: Buffer.from(request),
    isWhole: (answer: Buffer) => answer.at(-1) === NEWLINE,
  };
  const peers: Record<string, Peer | undefined> = {
    bare: { socket: bare.plain, ...lines },
    authd: { socket: home.socket, ...lines },
    "ssh-agent": await startSshAgent(bench),
    "oidc-agent": startOidcAgent(bench),
  };
  const missing = Object.keys(peers).filter((name) => !peers[name]);
  const there = Object.entries(peers).flatMap(([name, peer]) => (peer ? [{ name, peer }] : []));
  for (const width of [...WIDTHS, undefined]) {
    const calls = bench.quick ? 64 : 4_000;
    const measures = there.map(({ name, peer }) => [name, () => rate(peer, width, calls)] as const);
    const found = await compare(bench.quick ? 1 : 7, Object.fromEntries(measures));
    const others = there.filter(({ name }) => name !== "authd");
    const rates = others.map(({ name, peer }) => {
      const note = peer.endsEach && width !== undefined ? " (a connection for each call)" : "";
      return `${name} ${number(found[name]!.value)}/s${note}`;
    });
    const left = missing.length > 0 ? `; not installed: ${missing.join(", ")}` : "";
    bench.row({
      what: `beside agents: ${width === undefined ? "a connection for each call" : `${width} connection${width === 1 ? "" : "s"}`}`,
      measured: found.authd!.value,
      unit: "/s",
      detail: `${rates.join(", ")}${left}; client in Node`,
    });
  }
});

/** Returns calls a second; `width` undefined: one after another, each on a connection of its own. */
async function rate(peer: Peer, width: number | undefined, calls: number): Promise<number> {
  const isEach = width === undefined || peer.endsEach === true;
  const loops = Array.from({ length: width ?? 1 }, () => Math.ceil(calls / (width ?? 1)));
  const startedAt = performance.now();
  await Promise.all(loops.map((count) => (isEach ? callEach(peer, count) : callOn(peer, count))));
  return (loops.length * loops[0]!) / ((performance.now() - startedAt) / 1000);
}

async function callEach(peer: Peer, count: number): Promise<void> {
  for (let i = 0; i < count; ) {
    try {
      await callOn(peer, 1);
      i++;
    } catch (error) {
      // Too many wait to be accepted: oidc-agent's queue is short.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await sleep(1);
    }
  }
}

/** Makes `count` calls on one connection, one after another. */
function callOn({ socket: path, request, isWhole }: Peer, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path, () => socket.write(request));
    let left = count;
    let answer: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      answer = answer.length === 0 ? chunk : Buffer.concat([answer, chunk]);
      if (!isWhole(answer)) return;
      answer = Buffer.alloc(0);
      left--;
      if (left > 0) socket.write(request);
      else socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => (left > 0 ? reject(new Error(`${path} hung up`)) : resolve()));
  });
}

/** draft-miller-ssh-agent: SSH_AGENTC_REQUEST_IDENTITIES; an answer begins with its length. */
async function startSshAgent(bench: Bench): Promise<Peer | undefined> {
  const socket = join(bench.folder, "ssh-agent.sock");
  if (!(await startListening(bench, socket, "ssh-agent", ["-D", "-a", socket]))) return undefined;
  const SSH_AGENTC_REQUEST_IDENTITIES = 11;
  return {
    socket,
    request: Buffer.from([0, 0, 0, 1, SSH_AGENTC_REQUEST_IDENTITIES]),
    isWhole: (answer) => answer.length >= 4 && answer.length >= 4 + answer.readUInt32BE(0),
  };
}

/** It goes into the background, and says where it is; it ends the connection after each answer. */
function startOidcAgent(bench: Bench): Peer | undefined {
  const program = "/usr/bin/oidc-agent";
  if (!existsSync(program)) return undefined;
  const env = { ...ENV, HOME: bench.folder };
  const said = execFileSync(program, ["--json", "--no-autoload"], { env, encoding: "utf8" });
  const { socket, dpid } = JSON.parse(said) as { socket: string; dpid: string };
  bench.defer(() => process.kill(Number(dpid)));
  return {
    socket,
    request: Buffer.from('{"request":"loaded_accounts"}'),
    isWhole: (answer) => answer.at(-1) === "}".charCodeAt(0),
    endsEach: true,
  };
}
