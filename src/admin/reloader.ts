import { join } from "node:path";
import type { Log } from "../base/log.ts";
import {
  accessNow,
  configDir,
  configFileMistake,
  resolver,
  type Table,
  tomlTable,
} from "../config/config.ts";
import type {
  CommonConfiguration,
  Configuration,
  CredentialSettings,
  DaemonSettings,
} from "../config/settings.ts";
import type { Registry } from "../credential/registry.ts";
import { AuthdError, messageOf } from "../errors.ts";
import type { EventPayload, ReloadResult } from "../protocol.ts";
import { settingChanges } from "./setting-changes.ts";

export interface ReloaderOptions {
  env: NodeJS.ProcessEnv;
  configuration: CommonConfiguration;
  /** Rejects with AuthdError for a mistake that concerns all credentials. */
  readConfiguration: () => Promise<Configuration>;
  registry: Registry;
  /** Returns the store that this host shares now: commands change that, and config.toml with it. */
  storeInUse: () => DaemonSettings["store"];
  log: Log;
  onEvent: (happened: EventPayload) => void;
  /** Called if config.toml no longer says who may use what, until the next event `reloaded`. */
  onClosed: () => void;
}

/** Changes of a reload that reads nothing. */
const NO_CHANGES = { changed: [], daemon: [], restart: [] };

/** Reads the configuration again, and keeps what config.toml says for all credentials. */
export class Reloader {
  readonly #options: ReloaderOptions;
  readonly #dir: string;
  #defaults: CommonConfiguration["defaults"];
  /** What config.toml said about the daemon itself when it could last be read. */
  #daemon: DaemonSettings;
  /** What config.toml said about access when it could last be read. */
  #access: string;
  /** Error while config.toml no longer says who may use what. */
  #closed: AuthdError | undefined;

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#dir = configDir(options.env);
    this.#defaults = options.configuration.defaults;
    this.#daemon = options.configuration.daemon;
    this.#access = options.configuration.access;
  }

  /**
   * Returns a function that resolves settings from credential files, with each `ca_file` as it was when
   * it was first read. Throws AuthdError while the defaults and rules of config.toml are not known.
   */
  resolver(): (name: string, file: Table) => CredentialSettings {
    if (this.#closed) throw this.#closed;
    const resolve = resolver({ configDir: this.#dir });
    return (name, file) => resolve(name, file, this.#defaults);
  }

  /** Resolves settings from the text of a credential file. Throws AuthdError. */
  settingsFrom(name: string, text: string): CredentialSettings {
    return this.resolver()(name, tomlTable(`${name}.toml`, text));
  }

  /** Reads the configuration again, in a turn of its caller. A file with a mistake closes its credential. */
  async reload(): Promise<ReloadResult> {
    const { registry, log, readConfiguration, onEvent } = this.#options;
    let configuration: Configuration;
    try {
      configuration = await readConfiguration();
    } catch (error) {
      log.error({}, messageOf(error));
      return this.#withBrokenConfig(error);
    }
    this.#closed = undefined;
    this.#defaults = configuration.defaults;
    this.#access = configuration.access;
    const changed = registry.apply(configuration);
    for (const { file, message } of configuration.errors) log.error({ file }, message);
    for (const settings of configuration.credentials.values()) logRuleWarnings(settings, log);
    const errors = configuration.errors.map(({ file, message }) => ({ file, message }));
    const { taken, restart } = settingChanges(this.#running(), this.#daemon, configuration.daemon);
    this.#daemon = configuration.daemon;
    if (restart.length > 0) errors.push(restartError(this.#dir, restart));
    onEvent({
      kind: "reloaded",
      message: `${changed.length} changed, ${errors.length} to mend`,
    });
    return { changed, daemon: taken, restart, errors };
  }

  /** Returns the settings of the daemon as it runs. */
  #running(): DaemonSettings {
    const { store: _, ...started } = this.#options.configuration.daemon;
    const store = this.#options.storeInUse();
    return store ? { ...started, store } : started;
  }

  /**
   * Handles a mistake in config.toml. Beside what it says about access, everything stays as it was.
   * Otherwise it is not known who may use what: other users may not connect, and every credential is
   * closed.
   */
  #withBrokenConfig(error: unknown): ReloadResult {
    const { registry, onClosed, onEvent } = this.#options;
    const { file, message } = configFileMistake(this.#dir, error);
    const errors = [{ file, message }];
    if (!this.#closed && accessNow(this.#dir) === this.#access) return { ...NO_CHANGES, errors };
    this.#closed = new AuthdError(
      "invalid_params",
      `${file}, ${message} Mend it, then run: authd reload`,
    );
    onClosed();
    const changed = registry.closeAll(file, message);
    onEvent({ kind: "reloaded", message: `${changed.length} closed, 1 to mend` });
    return { ...NO_CHANGES, changed, errors };
  }
}

/** Logs the rules that match no program: by mistake, or because it is not installed yet. */
export function logRuleWarnings({ name, policy }: CredentialSettings, log: Log): void {
  for (const warning of policy?.warnings ?? []) {
    log.warn({ credential: name }, `${name}: ${warning}.`);
  }
}

/** Names the settings that differ from those the daemon runs with. */
function restartError(dir: string, keys: readonly string[]): ReloadResult["errors"][number] {
  const message = `${keys.join(", ")}: an edit takes effect when authd is restarted.`;
  return { file: join(dir, "config.toml"), message };
}
