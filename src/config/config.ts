/** Reads the configuration folder, `config.toml` and `credentials/NAME.toml`, into frozen settings without secrets. */
import { join } from "node:path";
import { AuthdError } from "../errors.ts";
import { type ResolveOptions, resolver } from "./credential.ts";
import { credentialFile, credentialFileNames } from "./credential-file.ts";
import { accessKeysOf, type ConfigFile, daemonSettings } from "./daemon.ts";
import type { Table } from "./json-table.ts";
import { placed } from "./mistake.ts";
import { whyNotAName } from "./name.ts";
import { readPresets } from "./presets.ts";
import { listSafeFolder } from "./safe-file.ts";
import type {
  Configuration,
  CredentialSettings,
  DaemonSettings,
  FileMistake,
  OpenConfiguration,
} from "./settings.ts";
import { readTomlFile } from "./toml.ts";

export { withAllowance } from "./allow-rule.ts";
export { whyUnfitSetting } from "./check-setting.ts";
export { type ResolveOptions, resolver } from "./credential.ts";
export {
  credentialFile,
  credentialFileAsItIs,
  credentialFileNames,
  readCredentialFile,
  removeCredentialFile,
  writeCredentialFile,
} from "./credential-file.ts";
export { configDir, stateDir } from "./directories.ts";
export { coerceSettings, credentialFileText, updateCredentialFile } from "./edit.ts";
export type { Table } from "./json-table.ts";
export { knownSettings } from "./known-settings.ts";
export { configFileMistake } from "./mistake.ts";
export { assertCredentialName, assertName, whyNotAName } from "./name.ts";
export { readPresets, shippedPresets } from "./presets.ts";
export { hostOf, storeHost } from "./store-host.ts";
export { storeTableRemoval, writeStoreTable } from "./store-table.ts";
export { tomlTable } from "./toml.ts";

export interface LoadOptions {
  /** The configuration folder; one that does not exist is empty. */
  dir: string;
  env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads config.toml and the presets, and lists the credential files; each is read when it is asked for. A
 * mistake in one costs that credential only, one in a preset those that are made of it. Throws AuthdError
 * `invalid_params` for a mistake that concerns all credentials: a
 * folder that others can write to, a broken config.toml, a wrong AUTHD_* variable.
 */
export function openConfiguration({ dir, env }: LoadOptions): OpenConfiguration {
  const { daemon, defaults, access } = readConfigFile(dir, env);
  const presets = readPresets(dir);
  const resolve = resolver({ configDir: dir, presets });
  const read: OpenConfiguration["read"] = (name) => {
    const file = join(dir, "credentials", `${name}.toml`);
    const why = whyNotAName(name);
    if (why !== undefined) {
      const message = `The file's name can't be a credential's: ${why}. Rename it.`;
      return { file, credential: name, message };
    }
    try {
      const content = readTomlFile(file);
      return content && resolve(name, content, defaults);
    } catch (error) {
      if (!(error instanceof AuthdError)) throw error;
      return { file, credential: name, message: placed(error.message, file) };
    }
  };
  const mistakes = presets.mistakes.map(({ file, message }) => ({ file, message }));
  return { daemon, defaults, access, mistakes, names: credentialFileNames(dir), read };
}

/** Reads everything, synchronously. Throws as `openConfiguration` does. */
export function loadConfiguration(options: LoadOptions): Configuration {
  const { names, read, mistakes, ...common } = openConfiguration(options);
  const credentials = new Map<string, CredentialSettings>();
  const errors = [...mistakes];
  for (const name of names) {
    const found = read(name);
    if (isMistake(found)) errors.push(found);
    else if (found) credentials.set(name, found);
  }
  return { ...common, credentials, errors };
}

/** True for a file that can't be used. */
export function isMistake(read: ReturnType<OpenConfiguration["read"]>): read is FileMistake {
  return read !== undefined && "message" in read;
}

/**
 * Returns the keys of config.toml about who may use what, in one text; undefined if it is no TOML, or
 * has a mistake in one of these keys.
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

/** Reads the settings of the daemon itself. Throws AuthdError `invalid_params` as `loadConfiguration` does. */
export function loadDaemonSettings({ dir, env }: Pick<LoadOptions, "dir" | "env">): DaemonSettings {
  return readConfigFile(dir, env).daemon;
}

/** Returns the mistake in one credential file, with its line where that is known; undefined if there is none. */
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

/** Resolves one credential file's content; see `Resolve`. */
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
