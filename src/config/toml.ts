import { parse, TomlError } from "smol-toml";
import { AuthdError } from "../errors.ts";
import { type Table, toJsonTable } from "./json-table.ts";
import { fileError, readSafeFile } from "./safe-file.ts";

/**
 * Returns the content of a TOML file; undefined if there is none. Throws AuthdError `invalid_params`
 * that says where the file is broken, without quoting it: somebody may have put a secret there.
 */
export function readTomlFile(file: string): Table | undefined {
  const text = readSafeFile(file);
  return text === undefined ? undefined : tomlTable(file, text);
}

/** Parses `text`; `file` is for messages. Throws as `readTomlFile` does. */
export function tomlTable(file: string, text: string): Table {
  try {
    return toJsonTable(parse(text));
  } catch (error) {
    if (error instanceof AuthdError) throw fileError(file, `can't be used: ${error.message}`);
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n", 1)[0]!.replace("Invalid TOML document: ", "");
    throw new AuthdError(
      "invalid_params",
      `${file}, line ${error.line}, column ${error.column}: not valid TOML: ${what}.`,
    );
  }
}
