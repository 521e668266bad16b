/**
 * The store that this host is leaving, by its settings. It is noted before `[store]` goes out of config.toml, until
 * the store is empty: so a move that was cut off in between can be completed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { readRegularFile } from "../../base/regular-file.ts";
import { stateDir } from "../../config/config.ts";
import type { StoreSettings } from "../../config/settings.ts";
import { errorCode } from "../../errors.ts";

const MAX_BYTES = 65_536;
const pathIn = (env: NodeJS.ProcessEnv) => join(stateDir(env), "store-left.json");

/** Notes the store, durably. Throws the file system's error. */
export function noteLeftStore(env: NodeJS.ProcessEnv, settings: StoreSettings): void {
  replaceFileNow(pathIn(env), JSON.stringify(settings), { sync: "folder" });
}

/** Returns the store that was being left as a move was cut off. Throws Error if that can't be read. */
export function leftStore(env: NodeJS.ProcessEnv): StoreSettings | undefined {
  try {
    return JSON.parse(readRegularFile(pathIn(env), MAX_BYTES).toString());
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The store is empty, or shared again. */
export function forgetLeftStore(env: NodeJS.ProcessEnv): void {
  rmSync(pathIn(env), { force: true });
}
