import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PracticeApi } from "../../src/sandbox/practice-api.ts";
import { type Ended, type Running, start } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import type { Scope } from "./scope.ts";

/** The program under test, compiled. */
export const MAIN = fileURLToPath(new URL("../../src/main.js", import.meta.url));

/** What `authd` said, and its exit code. */
export interface Said {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface CliOptions {
  env?: NodeJS.ProcessEnv;
  /** Standard input; without it there is none. */
  input?: string | Uint8Array;
}

/** Folders and socket of an authd of its own, with or without a daemon. */
export interface Home {
  folder: string;
  socket: string;
  configDir: string;
  stateDir: string;
  env: NodeJS.ProcessEnv;
  /** Runs `authd ARGS…` to its end. */
  cli(args: readonly string[], options?: CliOptions): Promise<Said>;
  /** `authd add NAME` as a script does it: the secrets through a pipe. */
  add(name: string, api: Pick<PracticeApi, "credential">, more?: readonly string[]): Promise<Said>;
}

export interface Daemon extends Home {
  pid: number;
  /** Resolves when the daemon's process is gone. */
  ended: Promise<Ended>;
  /** SIGTERM, and waits for the end; the folder stays until the test is over. */
  stop(): Promise<Ended>;
}

export interface DaemonOptions {
  /** Files of the configuration folder, by name: `{"credentials/x.toml": "…"}`. */
  config?: Readonly<Record<string, string>>;
  env?: NodeJS.ProcessEnv;
  /** Start in the place of an earlier daemon. */
  home?: Home;
  /** A program and its arguments that starts the daemon in its own place, such as `prlimit`. */
  through?: readonly string[];
}

/** A place for an authd of its own, removed when the test ends. No daemon runs there yet. */
export function makeHome(t: Scope, options: Omit<DaemonOptions, "home"> = {}): Home {
  const folder = temporaryFolder(t);
  const socket = join(folder, "s", "authd.sock");
  const configDir = join(folder, "config");
  const stateDir = join(folder, "state");
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: folder,
    AUTHD_SOCKET: socket,
    AUTHD_CONFIG_DIR: configDir,
    AUTHD_STATE_DIR: stateDir,
    AUTHD_VAULT_KEY: "file",
    ...options.env,
  };
  for (const [name, content] of Object.entries(options.config ?? {})) {
    const file = join(configDir, name);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, content, { mode: 0o600 });
  }
  const cli = (args: readonly string[], given: CliOptions = {}) =>
    runCli(t, args, { ...given, env: { ...env, ...given.env } });
  const add: Home["add"] = (name, { credential }, more = []) => {
    const { preset, grant, settings, secrets } = credential;
    const kind = preset ? ["--preset", preset] : ["--grant", grant ?? ""];
    const pairs = flatten(settings).flatMap((pair) => ["--set", pair]);
    const args = ["add", name, ...kind, ...pairs, "--secrets-from", "-", ...more];
    return cli(args, { input: JSON.stringify(secrets) });
  };
  return { folder, socket, configDir, stateDir, env, cli, add };
}

/** Runs a real daemon until the test ends, ready to be asked when this resolves. */
export async function startDaemon(t: Scope, options: DaemonOptions = {}): Promise<Daemon> {
  const home = options.home ?? makeHome(t, options);
  const [command = "", ...args] = [...(options.through ?? []), process.execPath, MAIN, "serve"];
  const running: Running = start(t, command, args, {
    env: { ...home.env, ...options.env },
  });
  await running.says("authd listens on ");
  const stop = async () => {
    running.child.kill("SIGTERM");
    return await running.ended;
  };
  return { ...home, pid: running.child.pid!, ended: running.ended, stop };
}

/** Runs the command line as a process of its own. */
function runCli(t: Scope, args: readonly string[], options: CliOptions): Promise<Said> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: options.env,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  // A command that fails early does not read its input.
  child.stdin?.on("error", () => {}).end(options.input);
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text: string) => {
      said[name] += text;
    });
  }
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, ...said }));
  });
}

/** Settings as `--set` takes them. */
function flatten(settings: object, prefix = ""): string[] {
  return Object.entries(settings).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flatten(value, `${prefix}${key}.`)
      : [value].flat().map((each) => `${prefix}${key}=${each}`),
  );
}
