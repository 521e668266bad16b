import { join } from "node:path";
import { logRuleWarnings } from "../admin/reloader.ts";
import type { Clock } from "../base/clock.ts";
import { createLog, type Log } from "../base/log.ts";
import { omitUndefined } from "../base/omit-undefined.ts";
import { Timekeeper } from "../base/timekeeper.ts";
import { enableJitForManyCredentials } from "../base/v8-flags.ts";
import { configDir, isMistake, openConfiguration, stateDir } from "../config/config.ts";
import type { DaemonSettings, OpenConfiguration } from "../config/settings.ts";
import { type CredentialRecord, isGuarded } from "../credential/record.ts";
import { createHttp } from "../http/http.ts";
import type { EventPayload } from "../protocol.ts";
import { openVault, type Rebuilt, type VaultOptions } from "../vault/index.ts";
import { Signal } from "./signal.ts";
import { systemClock } from "./system-clock.ts";

/** The real settings, log, clock, network and vault. Nothing here knows of credentials or clients. */
export interface Foundation {
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Configuration of the start. */
  readonly configuration: OpenConfiguration;
  readonly log: Log;
  readonly clock: Clock;
  readonly time: Timekeeper;
  readonly http: ReturnType<typeof createHttp>;
  readonly vault: Awaited<ReturnType<typeof openVault<CredentialRecord>>>;
  /** Everything that happens. */
  readonly events: Signal<EventPayload>;
  /** The vault's manifest was made anew. */
  readonly rebuilt: Signal<Rebuilt>;
  /** Other users who may connect now. */
  readonly welcome: { guests: DaemonSettings["guests"] };
}

export interface FoundationOptions {
  env: NodeJS.ProcessEnv;
  /** Asks the person who started the daemon. */
  passphrase?: NonNullable<VaultOptions["passphrase"]> | undefined;
}

export async function openFoundation({ env, passphrase }: FoundationOptions): Promise<Foundation> {
  const startedAt = Date.now();
  const dir = configDir(env);
  const configuration = openConfiguration({ dir, env });
  enableJitForManyCredentials(configuration.names.length);
  const { logLevel, vaultKey, proxy, guests } = configuration.daemon;
  const log = createLog(logLevel);
  const rebuilt = new Signal<Rebuilt>();
  const vault = await openVault<CredentialRecord>({
    dir: join(stateDir(env), "vault"),
    keySource: vaultKey,
    env,
    isGuarded,
    onRebuilt: rebuilt.emit,
    log: { info: (text) => log.info({}, text), warn: (text) => log.warn({}, text) },
    ...omitUndefined({ passphrase }),
  });
  const http = createHttp(omitUndefined({ proxy }));
  const clock = systemClock();
  const time = new Timekeeper(clock, () => http.reconnect());
  const events = new Signal<EventPayload>();
  const welcome = { guests };
  for (const { file, message } of configuration.mistakes) log.error({ file }, message);
  const read = readAndLog(configuration, log);
  return {
    env,
    startedAt,
    configuration: { ...configuration, read },
    log,
    clock,
    time,
    http,
    vault,
    events,
    rebuilt,
    welcome,
  };
}

/** Logs what a person should know of a file, when it is read. */
function readAndLog(configuration: OpenConfiguration, log: Log): OpenConfiguration["read"] {
  return (name) => {
    const read = configuration.read(name);
    if (isMistake(read)) log.error({ file: read.file }, read.message);
    else if (read) logRuleWarnings(read, log);
    return read;
  };
}
