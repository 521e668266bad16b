import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./child.ts";
import { MAIN, type Said } from "./daemon.ts";
import { temporaryFolder } from "./folder.ts";
import type { Scope } from "./scope.ts";
import { ROOT } from "./sources.ts";

/** The native command as `npm run build:native` leaves it, which the daemon knows. */
export const BUILT = join(ROOT, "native/target/release/authd");

/** Copies the native command into a folder of its own, with these lines as its record of the Node command. */
export function copyNative(t: Scope, record?: readonly string[]): string {
  if (!existsSync(BUILT)) throw new Error("there is no native command: npm run build:native");
  const folder = temporaryFolder(t);
  const path = join(folder, "authd");
  copyFileSync(BUILT, path);
  if (record) writeFileSync(join(folder, "node-command"), `${record.join("\n")}\n`);
  return path;
}

/** The record of the Node command that is under test. */
export const NODE_COMMAND = [process.execPath, MAIN];

/** Runs the same words with the Node command and with a native one, one after the other. */
export async function runBoth(
  t: Scope,
  native: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ byNode: Said; byNative: Said }> {
  const said = async (command: string, words: readonly string[]): Promise<Said> => {
    const { code, stdout, stderr } = await run(t, command, words, { env });
    return { code, stdout, stderr };
  };
  const byNode = await said(process.execPath, [MAIN, ...args]);
  return { byNode, byNative: await said(native, args) };
}
