/**
 * Which store this host shares, noted beside the vault. A `[store]` that goes out of config.toml otherwise than by a move
 * leaves it there: the refresh tokens are the other hosts', too.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { readRegularFile } from "../../base/regular-file.ts";
import { stateDir } from "../../config/config.ts";
import { errorCode } from "../../errors.ts";

const MAX_BYTES = 65_536;
const pathIn = (env: NodeJS.ProcessEnv) => join(stateDir(env), "store-shared");

/** Notes the store's address, durably. Throws the file system's error. */
export function noteSharedStore(env: NodeJS.ProcessEnv, url: string): void {
  if (sharedStore(env) === url) return;
  replaceFileNow(pathIn(env), url, { sync: "folder" });
}

/** Returns the address of the store that this host shared last, and did not leave. Throws Error if that can't be read. */
export function sharedStore(env: NodeJS.ProcessEnv): string | undefined {
  try {
    return readRegularFile(pathIn(env), MAX_BYTES).toString();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** This host leaves the store. */
export function forgetSharedStore(env: NodeJS.ProcessEnv): void {
  rmSync(pathIn(env), { force: true });
}
