import { realpathSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * How this program is called from another terminal: `authd` if that is what a shell finds there,
 * otherwise Node and the script, quoted for a POSIX shell.
 */
export function invocation(main: string, env: NodeJS.ProcessEnv = process.env): string {
  const folders = (env.PATH ?? "").split(delimiter).filter(outlivesThisCommand);
  return folders.some((folder) => isSameFile(join(folder, "authd"), main))
    ? "authd"
    : `${quote(process.execPath)} ${quote(main)}`;
}

/** Quotes where a POSIX shell needs it. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** npm and npx put these into the PATH of what they run, and of nothing else. */
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
