/** Which settings of the daemon itself an edit of config.toml has changed. */
import { isDeepStrictEqual } from "node:util";
import type { DaemonSettings } from "../config/settings.ts";

/** Settings that a reload takes over; the others are read when authd starts. */
const TAKEN_OVER: ReadonlySet<keyof DaemonSettings> = new Set([
  ...(["notify", "hook", "lockAfter", "guests"] as const),
]);

/** Keys of config.toml that are called otherwise here. */
const KEYS: Partial<Record<keyof DaemonSettings, string>> = {
  guests: "access",
  socketGid: "socket_group",
};

export interface SettingChanges {
  /** Keys of config.toml that take effect now. */
  taken: string[];
  /** Keys that take effect when authd is restarted. */
  restart: string[];
}

/** Compares with what was read `last`, and with what authd runs with: `running`. */
export function settingChanges(
  running: DaemonSettings,
  last: DaemonSettings,
  now: DaemonSettings,
): SettingChanges {
  const keys = Object.keys({ ...running, ...last, ...now }) as (keyof DaemonSettings)[];
  const differ = (before: DaemonSettings) =>
    keys.filter((key) => !isDeepStrictEqual(before[key], now[key]));
  const names = (of: (keyof DaemonSettings)[]) => of.map(keyName).sort();
  return {
    taken: names(differ(last).filter((key) => TAKEN_OVER.has(key))),
    restart: names(differ(running).filter((key) => !TAKEN_OVER.has(key))),
  };
}

function keyName(key: keyof DaemonSettings): string {
  return KEYS[key] ?? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
