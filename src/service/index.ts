import { existsSync } from "node:fs";
import { approver } from "./approver.ts";
import { type Launch, launchOf } from "./launch.ts";
import { launchd } from "./launchd.ts";
import type { ServiceFile, ServiceManager, ServiceState, Step } from "./manager.ts";
import { versionManagerOf } from "./node-path.ts";
import { type FoundFile, look, marked } from "./owned-file.ts";
import { launchDaemon } from "./system-wide/launch-daemon.ts";
import { SERVICE_UNIT, systemWideSystemd, vaultKeyIn } from "./system-wide/systemd.ts";
import { systemd } from "./systemd.ts";
import { taskScheduler } from "./task-scheduler.ts";
import { runTool } from "./tool.ts";

/**
 * `user`: a daemon for one user. `system`: one for all users, under a user of its own. `approver`: a client
 * that asks a user on the desktop.
 */
export type Scope = "user" | "system" | "approver";

/** Service managers by platform; none is known for the other platforms. */
export const serviceManagers: Record<Scope, Partial<Record<NodeJS.Platform, ServiceManager>>> = {
  user: { linux: systemd, darwin: launchd, win32: taskScheduler },
  system: { linux: systemWideSystemd, darwin: launchDaemon },
  approver: { linux: approver },
};

/** A program that the installed service starts. */
interface NamedProgram {
  path: string;
  exists: boolean;
  /** Version manager, such as `nvm`, that may remove the program at any time. */
  versionManager?: string;
}

/** State of the service, for `authd service status` and `authd doctor`. */
export interface ServiceReport extends ServiceState {
  /** Undefined where authd knows no service manager. */
  manager?: string;
  /** At least one of its files exists, whoever wrote it. */
  installed: boolean;
  files: FoundFile[];
  /** All files were written by authd, unedited, and are as this authd would write them for the same Node. */
  current: boolean;
  node?: NamedProgram;
  main?: NamedProgram;
}

/** Files that this authd would install, and files that exist, in the same order. */
export interface Installation {
  manager: ServiceManager;
  launch: Launch;
  wanted: ServiceFile[];
  found: FoundFile[];
}

/** Returns undefined where authd knows no service manager. */
export async function installationOf(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
  execPath?: string,
  scope: Exclude<Scope, "system"> = "user",
): Promise<Installation | undefined> {
  const manager = serviceManagers[scope][platform];
  if (!manager) return undefined;
  return installationBy(manager, await launchOf(env, execPath), env);
}

/** Returns undefined where authd knows no service manager. `key` is the vault's key source, such as `file`. */
export async function systemInstallationOf(
  platform: NodeJS.Platform,
  key: string,
  execPath?: string,
): Promise<Installation | undefined> {
  const manager = serviceManagers.system[platform];
  if (!manager) return undefined;
  const { node, main } = await launchOf({}, execPath);
  return installationBy(manager, { node, main, variables: { AUTHD_VAULT_KEY: key } }, {});
}

function installationBy(
  manager: ServiceManager,
  launch: Launch,
  env: NodeJS.ProcessEnv,
): Installation {
  const wanted = filesFor(manager, launch, env);
  return { manager, launch, wanted, found: wanted.map(({ path }) => look(path)) };
}

function filesFor(manager: ServiceManager, launch: Launch, env: NodeJS.ProcessEnv): ServiceFile[] {
  return manager
    .files(launch, env)
    .map(({ path, content }) => ({ path, content: marked(content, manager.comment) }));
}

/** Reports how the service is installed and whether it runs. Changes nothing. */
export async function inspectService(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  scope: Scope = "user",
): Promise<ServiceReport> {
  const installation =
    scope === "system"
      ? await systemInstallationOf(platform, installedKey(platform) ?? "systemd-credential")
      : await installationOf(env, platform, undefined, scope);
  if (!installation) return { installed: false, files: [], current: false };
  const { manager, launch, found } = installation;
  const installed = found.some(({ ownership }) => ownership !== "absent");
  const ask = (...argv: Step["argv"]) => runTool(env, argv);
  const [node, main] = found.flatMap(({ content }) => manager.commandIn(content) ?? []);
  const wanted = filesFor(manager, { ...launch, node: node ?? launch.node }, env);
  return {
    manager: manager.name,
    installed,
    files: found,
    current: found.every(
      ({ ownership, content }, index) => ownership === "ours" && content === wanted[index]?.content,
    ),
    ...(node !== undefined && { node: named(node) }),
    ...(main !== undefined && { main: named(main) }),
    ...(installed &&
      (await manager.state(
        ask,
        found.map(({ path }) => path),
      ))),
  };
}

/** Returns the key source that an installed system-wide unit names. */
export function installedKey(platform: NodeJS.Platform): string | undefined {
  return platform === "darwin" ? "file" : vaultKeyIn(look(SERVICE_UNIT).content);
}

function named(path: string): NamedProgram {
  const versionManager = versionManagerOf(path);
  return { path, exists: existsSync(path), ...(versionManager && { versionManager }) };
}
