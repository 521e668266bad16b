/** A Windows machine: Wine with a Windows Node in it that starts programs, and connects named pipes with Linux. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, symlinkSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "../folder.ts";
import type { Scope } from "../scope.ts";
import { ROOT } from "../sources.ts";
import { until } from "../until.ts";
import { type Distribution, windowsDistribution, wineVariables } from "./distribution.ts";
import type { HostRequest } from "./host-protocol.ts";
import { Program, type ProgramOptions, type Said } from "./program.ts";
import { relay } from "./streams.ts";

const START_LIMIT_MS = 120_000;
const START_TRIES = 3;
/** What the program needs beside its node_modules. */
const PARTS = ["dist", "package.json", "schemas", "clients", "docs", "test"];

/** The path by which Windows knows a file of Linux. */
export const windowsPath = (path: string) => `Z:${path.replaceAll("/", "\\")}`;

/** Returns a name for a pipe that no other has. */
export const newPipe = () => `\\\\.\\pipe\\authd-test-${randomBytes(6).toString("hex")}`;

export class Windows {
  /** Where node_modules is that of Windows, beside what was built; a path of Linux. */
  readonly app: string;
  /** Path of node.exe, as Windows knows it. */
  readonly node: string;
  readonly distribution: Distribution;
  readonly #scope: Scope;
  readonly #port: number;
  readonly #key: string;
  /** Names of the pipes by which sockets of Linux are known. */
  readonly #pipes = new Map<string, string>();

  /** Starts a machine that runs until the scope ends. */
  static async start(t: Scope): Promise<Windows> {
    const distribution = await windowsDistribution();
    const folder = temporaryFolder(t);
    const app = join(folder, "app");
    mkdirSync(app);
    for (const name of PARTS) symlinkSync(join(ROOT, name), join(app, name));
    symlinkSync(distribution.modules, join(app, "node_modules"));
    const key = randomBytes(16).toString("hex");
    const port = await startHost(t, distribution, app, key, START_TRIES);
    const machine = new Windows(t, distribution, app, port, key);
    const life = await machine.dial({ do: "live" });
    t.teardown(async () => {
      const closed = once(life, "close");
      life.end();
      await closed;
    });
    return machine;
  }

  private constructor(
    scope: Scope,
    distribution: Distribution,
    app: string,
    port: number,
    key: string,
  ) {
    this.#scope = scope;
    this.distribution = distribution;
    this.node = windowsPath(distribution.node);
    this.app = app;
    this.#port = port;
    this.#key = key;
  }

  /** Starts a program of Windows, which is ended with the scope. */
  async program(command: string, args: readonly string[], options: ProgramOptions = {}) {
    const { env, cwd, verbatim } = options;
    const socket = await this.dial({ do: "run", command, args, env, cwd, verbatim });
    this.#scope.teardown(() => void socket.destroy());
    return new Program(socket, command);
  }

  /** Runs a program to its end. */
  async run(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<Said> {
    const program = await this.program(command, args, options);
    program.end(options.input);
    return await program.ended;
  }

  /** Makes a named pipe of Windows one that programs of Linux can connect to; returns a path in a folder of its own. */
  async forward(pipe: string): Promise<string> {
    const path = join(temporaryFolder(this.#scope), "pipe");
    const server = createServer(async (client) => {
      client.on("error", () => {});
      relay(client, await this.dial({ do: "connect", pipe }));
    });
    server.listen(path);
    await once(server, "listening");
    this.#scope.teardown(() => void server.close());
    return path;
  }

  /** Makes a socket of Linux one that programs of Windows can connect to, by a pipe of its own, until `end`. */
  async publish(socket: string): Promise<{ path: string; end(): Promise<void> }> {
    const path = this.#pipes.get(socket) ?? newPipe();
    this.#pipes.set(socket, path);
    const server = createServer((client) => relay(client, connect(socket)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const listening = await this.dial({ do: "listen", pipe: path, port });
    listening.on("error", () => {});
    this.#scope.teardown(() => {
      listening.destroy();
      server.close();
    });
    await once(listening, "data");
    const closed = once(listening, "close");
    return {
      path,
      async end() {
        listening.end();
        server.close();
        await closed;
      },
    };
  }

  /** Returns how a program of Linux is started that is the same as this one of Windows: its standard streams, its exit code. */
  asProgram(command: string, args: readonly string[]) {
    const main = fileURLToPath(new URL("./run-main.js", import.meta.url));
    const request = { ...{ do: "run", key: this.#key }, command, args };
    return {
      command: process.execPath,
      args: [main, `${this.#port}`],
      env: { AUTHD_TEST_RUN: JSON.stringify(request) },
    };
  }

  /** Connects to the host, and says what the connection is for. */
  private async dial(request: HostRequest): Promise<Socket> {
    const socket: Socket = connect(this.#port, "127.0.0.1");
    await once(socket, "connect");
    socket.write(`${JSON.stringify({ key: this.#key, ...request })}\n`);
    return socket;
  }
}

async function startHost(
  t: Scope,
  distribution: Distribution,
  app: string,
  key: string,
  tries: number,
): Promise<number> {
  const { wine, prefix, node } = distribution;
  const main = windowsPath(join(app, "dist/test/helpers/windows/host-main.js"));
  const portFile = join(app, "port");
  const output = openSync(join(app, "output"), "w");
  const child = spawn(wine, [node, main, windowsPath(portFile)], {
    env: { ...wineVariables(prefix), AUTHD_TEST_HOST_KEY: key },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const ended = once(child, "close");
  t.teardown(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const said = () => readFileSync(join(app, "output"), "utf8");
  await until(() => existsSync(portFile) || child.exitCode !== null, {
    message: "the Windows machine is up",
    limitMs: START_LIMIT_MS,
  });
  if (existsSync(portFile)) return Number(readFileSync(portFile, "utf8"));
  // The server of Wine that ends with the last program may take one more with it.
  if (tries > 1) return await startHost(t, distribution, app, key, tries - 1);
  throw new Error(`Wine ended with ${child.exitCode}: ${said()}`);
}
