import { realpathSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Returns how to call this program from another terminal: `authd` if a shell finds it there, otherwise Node
 * and the script, quoted for a POSIX shell.
 */
export function invocation(main: string, env: NodeJS.ProcessEnv = process.env): string {
  const folders = (env.PATH ?? "").split(delimiter).filter(outlivesThisCommand);
  return folders.some((folder) => isSameFile(join(folder, "authd"), main))
    ? "authd"
    : `${quote(process.execPath)} ${quote(main)}`;
}

/** Quotes a word where a POSIX shell needs that. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** True for folders that npm and npx add to the PATH of what they run, and of nothing else. */
function outlivesThisCommand(folder: string): boolean {
  return folder !== "" && !/[/\\](?:node_modules[/\\]\.bin|node-gyp-bin)[/\\]?$/.test(folder);
}

function isSameFile(link: string, file: string): boolean {
  try {
    return realpathSync(link) === realpathSync(file);
  } catch {
    return false;
  }
}
