import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { MAIN, packagePath } from "../base/package-path.ts";
import { configDir, stateDir } from "../config/directories.ts";
import { serviceNode } from "./node-path.ts";

/** Program that a service manager starts. All paths are absolute. */
export interface Launch {
  node: string;
  /** Path of authd's main.js. */
  main: string;
  /** Variables of the installing shell that a service would not inherit. */
  variables: Readonly<Record<string, string>>;
}

/** Variables that are passed on as they are, if they are set. */
const KEPT = ["AUTHD_VAULT_KEY", "NODE_EXTRA_CA_CERTS"] as const;

/** Returns what to start so that the service serves the same files on the same socket as this shell's authd. */
export async function launchOf(
  env: NodeJS.ProcessEnv,
  execPath = process.execPath,
): Promise<Launch> {
  const plain = { HOME: env.HOME };
  const variables: Record<string, string> = {};
  if (env.AUTHD_SOCKET) variables.AUTHD_SOCKET = resolve(env.AUTHD_SOCKET);
  if (configDir(env) !== configDir(plain)) variables.AUTHD_CONFIG_DIR = configDir(env);
  if (stateDir(env) !== stateDir(plain)) variables.AUTHD_STATE_DIR = stateDir(env);
  for (const name of KEPT) if (env[name]) variables[name] = env[name];
  const main = realpathSync(MAIN);
  return { node: await serviceNode(execPath), main, variables };
}

/** Reads a file that ships beside dist/: `systemd/…` or `launchd/…`. */
export function templatePath(name: string): string {
  return packagePath(name);
}
