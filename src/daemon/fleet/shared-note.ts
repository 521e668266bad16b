/**
 * The store that this host shares, noted beside the vault once this host is one of its hosts. A `[store]` that goes out of
 * config.toml otherwise than by a move, or names another store, leaves it there: the refresh tokens are the other hosts', too.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { stateDir } from "../../config/config.ts";
import { messageOf } from "../../errors.ts";
import { readNote } from "./note-file.ts";

const pathIn = (env: NodeJS.ProcessEnv) => join(stateDir(env), "store-shared");

export interface SharedNote {
  url: string;
  /** Ids of the keys that this host last had of it, by which it is known at another address, too. */
  keyIds: readonly string[];
}

/** Notes the store, durably. Throws the file system's error, or AuthdError. */
export function noteSharedStore(env: NodeJS.ProcessEnv, { url, keyIds }: SharedNote): void {
  const text = [url, ...keyIds].join("\n");
  if (readNote(pathIn(env)) === text) return;
  replaceFileNow(pathIn(env), text, { sync: "folder" });
}

/** Returns the store that this host shared last, and did not leave. Throws AuthdError if that can't be read. */
export function sharedStore(env: NodeJS.ProcessEnv): SharedNote | undefined {
  const [url, ...keyIds] = readNote(pathIn(env))?.split("\n") ?? [];
  return url === undefined ? undefined : { url, keyIds };
}

/** Returns its address, for messages; where that can't be read, why. */
export function formerStoreName(env: NodeJS.ProcessEnv): string | undefined {
  try {
    return sharedStore(env)?.url;
  } catch (error) {
    return `of unknown address (${messageOf(error)})`;
  }
}

/** This host leaves the store. */
export function forgetSharedStore(env: NodeJS.ProcessEnv): void {
  rmSync(pathIn(env), { force: true });
}
