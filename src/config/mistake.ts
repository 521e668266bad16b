import { join } from "node:path";
import { messageOf } from "../errors.ts";
import { lineOf } from "./line-of.ts";
import { readSafeFile } from "./safe-file.ts";

/** Returns an error's message about `file` without the file's name, beginning with the line where it is known. */
export function placed(message: string, file: string): string {
  const what = message.startsWith(file)
    ? message.slice(file.length).replace(/^[,:]? /, "")
    : message;
  if (/^line \d/.test(what)) return what;
  const line = lineOf(textOf(file), what.replace(/^Credential "[^"]*": /, ""));
  return line === undefined ? what : `line ${line}: ${what}`;
}

/** Returns "" for a file that can't be read: its mistake is in no line. */
function textOf(file: string): string {
  try {
    return readSafeFile(file) ?? "";
  } catch {
    return "";
  }
}

/** Returns the mistake in config.toml, or in its folder, as `placed` puts it. */
export function configFileMistake(dir: string, error: unknown): { file: string; message: string } {
  const file = join(dir, "config.toml");
  return { file, message: placed(messageOf(error), file) };
}
