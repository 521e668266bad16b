/**
 * Runs on Windows: starts programs there, and connects its named pipes with Linux. Wine can't pass pipes of Linux to a
 * program, so that all of it goes over TCP on loopback. Each connection begins with one line of JSON.
 */
import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { closePipe } from "../../../src/base/windows/access-list.ts";
import { newestPipe } from "../../../src/base/windows/pipe.ts";
import type { HostRequest, ProgramInput, ProgramOutput } from "./host-protocol.ts";
import { linesOf, relay } from "./streams.ts";

const [portFile = ""] = process.argv.slice(2);
const key = process.env.AUTHD_TEST_HOST_KEY;
delete process.env.AUTHD_TEST_HOST_KEY;
const children = new Set<ReturnType<typeof spawn>>();

const server = createServer((socket) => {
  socket.on("error", () => socket.destroy());
  readFirstLine(socket, (line) => {
    const request = JSON.parse(line) as HostRequest & { key: string };
    if (request.key !== key) socket.destroy();
    else if (request.do === "live") socket.on("close", end).resume();
    else if (request.do === "run") runProgram(socket, request);
    else if (request.do === "connect") relay(socket, connect(request.pipe));
    else if (request.do === "listen") listenFor(socket, request);
  });
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as { port: number };
  // Whole when it is there.
  writeFileSync(`${portFile}.new`, `${port}`);
  renameSync(`${portFile}.new`, portFile);
});

/** What comes after the line stays to be read. */
function readFirstLine(socket: Socket, done: (line: string) => void): void {
  let read = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
    const at = read.indexOf("\n");
    if (at === -1) return;
    socket.off("data", onData);
    socket.pause();
    if (at + 1 < read.length) socket.unshift(read.subarray(at + 1));
    done(read.subarray(0, at).toString());
  };
  socket.on("data", onData);
}

function runProgram(socket: Socket, request: Extract<HostRequest, { do: "run" }>): void {
  const { command, args, env, cwd } = request;
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    cwd,
    windowsVerbatimArguments: request.verbatim === true,
  });
  children.add(child);
  const tell = (told: ProgramOutput) => void socket.write(`${JSON.stringify(told)}\n`);
  tell({ pid: child.pid ?? 0 });
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (bytes: Buffer) => tell({ [name]: bytes.toString("base64") }));
  child.stdin.on("error", () => {});
  linesOf(socket, (line) => {
    const input = JSON.parse(line) as ProgramInput;
    if ("stdin" in input) child.stdin.write(Buffer.from(input.stdin, "base64"));
    else if ("end" in input) child.stdin.end();
    else child.kill();
  });
  socket.resume();
  child.on("error", ({ message }) => socket.end(`${JSON.stringify({ error: message })}\n`));
  child.on("close", (code) => {
    children.delete(child);
    socket.end(`${JSON.stringify({ exit: code })}\n`);
  });
  socket.on("close", () => child.kill());
}

function listenFor(socket: Socket, { pipe, port }: Extract<HostRequest, { do: "listen" }>): void {
  const listener = createServer((client) => relay(connect(port, "127.0.0.1"), client));
  listener.on("error", () => socket.destroy());
  listener.listen(pipe, () => socket.write("listening\n"));
  // As the daemon does; without it, Wine's pipes belong to nobody.
  closePipe(newestPipe());
  // Its path is free when this is told.
  const end = () => void listener.close();
  socket.on("end", end).on("close", end).resume();
}

function end(): void {
  for (const child of children) child.kill();
  process.exit();
}
