/** The configuration folder: `config.toml` and `credentials/NAME.toml` → frozen settings, without secrets. */
import { join } from "node:path";
import { AuthdError, messageOf } from "../errors.ts";
import { type ResolveOptions, resolver } from "./credential.ts";
import { accessKeysOf, type ConfigFile, daemonSettings } from "./daemon.ts";
import { credentialFile, listSafeFolder, readSafeFile, readTomlFile } from "./files.ts";
import type { Table } from "./json-table.ts";
import { lineOf } from "./line-of.ts";
import { whyNotAName } from "./name.ts";
import type { Preset } from "./preset.ts";
import type { Configuration, CredentialSettings, DaemonSettings } from "./settings.ts";

export { type Allowance, withAllowance } from "./allow-rule.ts";
export { type Resolve, type ResolveOptions, resolver } from "./credential.ts";
export { configDir, stateDir } from "./directories.ts";
export { coerceSettings, credentialFileText, updateCredentialFile } from "./edit.ts";
export {
  credentialFile,
  credentialFileAsItIs,
  readCredentialFile,
  removeCredentialFile,
  tomlTable,
  writeCredentialFile,
} from "./files.ts";
export type { Table } from "./json-table.ts";
export { assertCredentialName } from "./name.ts";

export interface LoadOptions {
  /** The configuration folder; one that does not exist is empty. */
  dir: string;
  env: Readonly<Record<string, string | undefined>>;
  /** The shipped ones, unless given. */
  presets?: ReadonlyMap<string, Preset>;
  /** Told how many credential files there are, before the first one is read. */
  onCount?: (files: number) => void;
}

/**
 * Reads everything, synchronously. What is wrong with a credential file is an entry of `errors` and
 * costs that credential only. Throws AuthdError `invalid_params` for what concerns all of them: a
 * folder that others can write to, a broken config.toml, a wrong AUTHD_* variable.
 */
export function loadConfiguration(options: LoadOptions): Configuration {
  const { dir, env } = options;
  const { daemon, defaults, access } = readConfigFile(dir, env);
  const credentials = new Map<string, CredentialSettings>();
  const errors: { file: string; credential?: string; message: string }[] = [];
  const folder = join(dir, "credentials");
  const resolve = resolver({
    configDir: dir,
    ...(options.presets && { presets: options.presets }),
  });
  const files = credentialFiles(folder);
  options.onCount?.(files.length);
  for (const entry of files) {
    const name = entry.slice(0, -".toml".length);
    const file = join(folder, entry);
    const why = whyNotAName(name);
    if (why !== undefined) {
      const message = `The file's name can't be a credential's: ${why}. Rename it.`;
      errors.push({ file, credential: name, message });
      continue;
    }
    try {
      const content = readTomlFile(file);
      if (content !== undefined) credentials.set(name, resolve(name, content, defaults));
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      errors.push({ file, credential: name, message: placed(error.message, file) });
    }
  }
  return { daemon, defaults, access, credentials, errors };
}

/** What is wrong with `file`, beginning with the line where that is known, and without the file's name. */
function placed(message: string, file: string): string {
  const what = message.startsWith(file)
    ? message.slice(file.length).replace(/^[,:]? /, "")
    : message;
  if (/^line \d/.test(what)) return what;
  const line = lineOf(textOf(file), what.replace(/^Credential "[^"]*": /, ""));
  return line === undefined ? what : `line ${line}: ${what}`;
}

/** Empty for one that can't be read: what is wrong with it is no line's fault. */
function textOf(file: string): string {
  try {
    return readSafeFile(file) ?? "";
  } catch {
    return "";
  }
}

/** What is wrong with config.toml, or its folder; see `placed`. */
export function configFileMistake(dir: string, error: unknown): { file: string; message: string } {
  const file = join(dir, "config.toml");
  return { file, message: placed(messageOf(error), file) };
}

/**
 * What config.toml says about who may use what, in one text; undefined if that can't be told: it is no
 * TOML, or the mistake is in one of those keys.
 */
export function accessNow(dir: string): string | undefined {
  try {
    const file = join(dir, "config.toml");
    const content = listSafeFolder(dir) === undefined ? undefined : readTomlFile(file);
    return daemonSettings(accessKeysOf(content ?? {}), {}, file).access;
  } catch {
    return undefined;
  }
}

/** What the daemon itself runs with. Throws AuthdError `invalid_params` as `loadConfiguration` does. */
export function loadDaemonSettings({ dir, env }: Pick<LoadOptions, "dir" | "env">): DaemonSettings {
  return readConfigFile(dir, env).daemon;
}

/** The names that have a credential file, whatever is in it. */
export function credentialFileNames(dir: string): string[] {
  const files = credentialFiles(join(dir, "credentials"));
  return files.map((file) => file.slice(0, -".toml".length));
}

/** Returns what is wrong with one credential file, by its line where that is known; undefined: nothing is. */
export function mistakeIn(
  { dir, env }: Pick<LoadOptions, "dir" | "env">,
  name: string,
): { file: string; message: string } | undefined {
  const file = credentialFile(dir, name);
  const { defaults } = readConfigFile(dir, env);
  try {
    const content = readTomlFile(file);
    if (content === undefined) return { file, message: "it is gone." };
    resolver({ configDir: dir })(name, content, defaults);
    return undefined;
  } catch (error) {
    if (!(error instanceof AuthdError)) throw error;
    return { file, message: placed(error.message, file) };
  }
}

/** One credential file's content → settings; see `Resolve`. */
export function resolveCredential(
  name: string,
  file: Table,
  defaults: Table,
  options: ResolveOptions,
): CredentialSettings {
  return resolver(options)(name, file, defaults);
}

function readConfigFile(dir: string, env: LoadOptions["env"]): ConfigFile {
  const file = join(dir, "config.toml");
  const content = listSafeFolder(dir) === undefined ? undefined : readTomlFile(file);
  return daemonSettings(content ?? {}, env, file);
}

/** Hidden files are an editor's or our own half-written ones, and other endings are none of ours. */
function credentialFiles(folder: string): string[] {
  const entries = listSafeFolder(folder) ?? [];
  return entries.filter((entry) => entry.endsWith(".toml") && !entry.startsWith(".")).sort();
}
