/**
 * The store that this host is leaving, by its settings. It is noted before `[store]` goes out of config.toml, until
 * the store is empty: so a move that was cut off in between can be completed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { stateDir } from "../../config/config.ts";
import type { StoreSettings } from "../../config/settings.ts";
import { messageOf } from "../../errors.ts";
import { readNote, unreadableNote } from "./note-file.ts";

const pathIn = (env: NodeJS.ProcessEnv) => join(stateDir(env), "store-left.json");

/** Notes the store, durably. Throws the file system's error. */
export function noteLeftStore(env: NodeJS.ProcessEnv, settings: StoreSettings): void {
  replaceFileNow(pathIn(env), JSON.stringify(settings), { sync: "folder" });
}

/** Returns the store that was being left as a move was cut off. Throws AuthdError if that can't be read. */
export function leftStore(env: NodeJS.ProcessEnv): StoreSettings | undefined {
  const text = readNote(pathIn(env));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadableNote(pathIn(env), messageOf(error));
  }
}

/** The store is empty, or shared again. */
export function forgetLeftStore(env: NodeJS.ProcessEnv): void {
  rmSync(pathIn(env), { force: true });
}
