/** authd on a Windows machine, in folders of its own. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { temporaryFolder } from "../folder.ts";
import { missing } from "../optional.ts";
import { FileScope, type Scope } from "../scope.ts";
import { lackingForWindows } from "./distribution.ts";
import { newPipe, Windows, windowsPath } from "./host.ts";
import type { Program, ProgramOptions } from "./program.ts";

/** Folders and pipe of an authd, with or without a daemon. Paths are those of Linux unless they say otherwise. */
export interface WindowsHome {
  windows: Windows;
  folder: string;
  pipe: string;
  configDir: string;
  stateDir: string;
  env: NodeJS.ProcessEnv;
  /** Runs `authd ARGS…` to its end. */
  cli(args: readonly string[], options?: ProgramOptions): ReturnType<Windows["run"]>;
  /** Starts `authd serve`; resolves when it listens. */
  serve(options?: ProgramOptions): Promise<Program>;
  /** Adds the credential "orders", whose token is "made-up-token". */
  addOrders(): Promise<void>;
}

export interface WindowsHomeOptions {
  /** Name of the folder; it may hold what names of files rarely hold. */
  name?: string;
  /** Files of the configuration folder, by name. */
  config?: Readonly<Record<string, string>>;
  env?: NodeJS.ProcessEnv;
}

const ADD = ["add", "orders", "--grant", "static", "--set", "origins=https://api.example.com"];

export function windowsHome(
  t: Scope,
  windows: Windows,
  { name = "home", config = {}, env: more = {} }: WindowsHomeOptions = {},
): WindowsHome {
  const folder = join(temporaryFolder(t), name);
  const [configDir, stateDir] = [join(folder, "config"), join(folder, "state")];
  const pipe = newPipe();
  mkdirSync(folder);
  for (const [file, content] of Object.entries(config)) {
    mkdirSync(dirname(join(configDir, file)), { recursive: true });
    writeFileSync(join(configDir, file), content);
  }
  const env = {
    AUTHD_SOCKET: pipe,
    AUTHD_CONFIG_DIR: windowsPath(configDir),
    AUTHD_STATE_DIR: windowsPath(stateDir),
    AUTHD_VAULT_KEY: "file",
    ...more,
  };
  const main = windowsPath(join(windows.app, "dist/src/main.js"));
  const given = (options: ProgramOptions) => ({ ...options, env: { ...env, ...options.env } });
  const cli: WindowsHome["cli"] = (args, options = {}) =>
    windows.run(windows.node, [main, ...args], given(options));
  return {
    ...{ windows, folder, pipe, configDir, stateDir, env, cli },
    async serve(options = {}) {
      const daemon = await windows.program(windows.node, [main, "serve"], given(options));
      t.teardown(() => daemon.kill());
      await daemon.says("authd listens on ");
      return daemon;
    },
    async addOrders() {
      const input = JSON.stringify({ token: "made-up-token" });
      const { code, stderr } = await cli([...ADD, "--secrets-from", "-"], { input });
      if (code !== 0) throw new Error(stderr);
    },
  };
}

/** Defines tests that share one Windows machine; where there can be none, they say so. */
export function onWindows(): (
  title: string,
  work: (t: ExecutionContext, windows: Windows) => Promise<void>,
) => void {
  const file = new FileScope();
  test.after.always(() => file.end());
  let machine: Promise<Windows> | undefined;
  return (title, work) =>
    test.serial(title, async (t) => {
      // The first one may have to make the machine.
      t.timeout(600_000);
      const lacking = lackingForWindows();
      if (lacking !== undefined) return missing(t, lacking);
      machine ??= Windows.start(file);
      return await work(t, await machine);
    });
}
