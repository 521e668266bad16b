import { existsSync } from "node:fs";
import { type Launch, launchOf } from "./launch.ts";
import { launchd } from "./launchd.ts";
import type { ServiceFile, ServiceManager, ServiceState, Step } from "./manager.ts";
import { versionManagerOf } from "./node-path.ts";
import { type FoundFile, look, marked } from "./owned-file.ts";
import { systemd } from "./systemd.ts";
import { runTool } from "./tool.ts";

/** A platform without a row has no service manager that authd knows. */
export const serviceManagers: Partial<Record<NodeJS.Platform, ServiceManager>> = {
  linux: systemd,
  darwin: launchd,
};

/** A program that the installed service starts. */
export interface NamedProgram {
  path: string;
  exists: boolean;
  /** Such as `nvm`: it may remove the program at any time. */
  versionManager?: string;
}

/** What `authd service status` and `authd doctor` tell about the service. */
export interface ServiceReport extends ServiceState {
  /** Undefined where authd knows no service manager. */
  manager?: string;
  /** At least one of its files is there, whoever wrote it. */
  installed: boolean;
  files: FoundFile[];
  /** All files are ours, unedited, and as this authd would write them now for the same Node. */
  current: boolean;
  node?: NamedProgram;
  main?: NamedProgram;
}

/** What this authd would install, and what is there, in the same order. */
export interface Installation {
  manager: ServiceManager;
  launch: Launch;
  wanted: ServiceFile[];
  found: FoundFile[];
}

/** Undefined where authd knows no service manager. */
export async function installationOf(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
  execPath?: string,
): Promise<Installation | undefined> {
  const manager = serviceManagers[platform];
  if (!manager) return undefined;
  const launch = await launchOf(env, execPath);
  const wanted = filesFor(manager, launch, env);
  return { manager, launch, wanted, found: wanted.map(({ path }) => look(path)) };
}

function filesFor(manager: ServiceManager, launch: Launch, env: NodeJS.ProcessEnv): ServiceFile[] {
  return manager
    .files(launch, env)
    .map(({ path, content }) => ({ path, content: marked(content, manager.comment) }));
}

/** How the service is installed and whether it runs. Changes nothing. */
export async function inspectService(
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Promise<ServiceReport> {
  const installation = await installationOf(env, platform);
  if (!installation) return { installed: false, files: [], current: false };
  const { manager, launch, found } = installation;
  const installed = found.some(({ ownership }) => ownership !== "absent");
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
    ...(installed && (await manager.state((...argv: Step["argv"]) => runTool(env, argv)))),
  };
}

function named(path: string): NamedProgram {
  const versionManager = versionManagerOf(path);
  return { path, exists: existsSync(path), ...(versionManager && { versionManager }) };
}
