/**
 * Completes or removes what a rekey leaves on the disk. A rekey seals everything anew in a folder beside
 * the sealed files; renaming that folder is the instant at which the new key counts:
 *
 *     rekey.staged/     the old key counts: if the daemon is killed, the next one removes the folder
 *     rekey.committed/  the new key counts: its files are moved into place, by the next daemon if need be
 *
 * Moving takes no key, and may be cut off and begun again. The old key is removed last.
 */

import { existsSync, readdirSync, renameSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, syncFolderNow } from "../base/atomic-write.ts";
import { explainFileError } from "../base/file-error.ts";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import type { VaultHeader } from "./header.ts";
import { keyProviders } from "./keys/index.ts";
import type { KeyContext, KeyProvider } from "./keys/key-source.ts";
import { MANIFEST } from "./manifest.ts";
import type { KeySource } from "./vault.ts";
import type { VaultLog } from "./vault-key.ts";

export const STAGED = "rekey.staged";
export const COMMITTED = "rekey.committed";
export const NOTE = "note.json";

interface KeyName {
  keySource: KeySource;
  keyId: string;
}

/** Names the key that is to go: `from` once the rekey is committed, `to` if it never was. */
export interface RekeyNote {
  from: KeyName;
  to: KeyName;
}

/**
 * Moves the files of a committed rekey into place: the sealed files, the manifest, the key file, and
 * vault.json at last. It takes no key, and does not give up the thread, so that nobody reads half of
 * it. Throws an AuthdError.
 */
export function moveIntoPlace(dir: string): void {
  const committed = join(dir, COMMITTED);
  try {
    const files = listed(committed);
    const sealed = files.filter((file) => file.endsWith(".sealed"));
    const last = [MANIFEST, "key", "vault.json"].filter((file) => files.includes(file));
    if (sealed.length + last.length === 0) return;
    for (const file of [...sealed, ...last]) renameSync(join(committed, file), join(dir, file));
    syncFolderNow(dir);
  } catch (cause) {
    throw new AuthdError(
      "internal",
      `The vault's new key could not be put in place in ${dir}: ${explainFileError(cause)}`,
      { cause },
    );
  }
}

/**
 * Removes what a rekey leaves: the old key after one that was committed, once all is in place, and
 * the new one after one that was not. `current` is the header of the open vault. Never rejects.
 */
export async function cleanUp(
  current: VaultHeader,
  context: KeyContext,
  log: VaultLog,
): Promise<void> {
  const { dir } = context;
  for (const leftover of [STAGED, COMMITTED].filter((file) => existsSync(join(dir, file)))) {
    const path = join(dir, leftover);
    try {
      if (leftover === COMMITTED) moveIntoPlace(dir);
      const forgotten = await removeKey(leftover, current, context).then(
        () => true,
        (error) => {
          log.warn(`A key that is not needed any more could not be removed. ${messageOf(error)}`);
          return false;
        },
      );
      // Nothing is sealed with a key that never counted; the old one is tried again at the next start.
      if (!forgotten && leftover === COMMITTED) continue;
      await rm(path, { recursive: true, force: true });
      await syncFolder(dir);
    } catch (error) {
      log.warn(`What a rekey left in ${path} could not be removed yet. ${messageOf(error)}`);
    }
  }
}

async function removeKey(
  leftover: string,
  current: VaultHeader,
  context: KeyContext,
): Promise<void> {
  const { dir } = context;
  const note = await readNote(join(dir, leftover, NOTE));
  const going = leftover === COMMITTED ? note?.from : note?.to;
  if (!going || going.keyId === current.keyId) return;
  // A staged key file goes with its folder.
  if (leftover === COMMITTED && going.keySource === "file" && current.keySource !== "file") {
    await rm(join(dir, "key"), { force: true });
    await syncFolder(dir);
  }
  const provider: KeyProvider = keyProviders[going.keySource];
  await provider.forget?.({ ...context, keyId: going.keyId });
}

/** Returns undefined if the rekey was cut off before it wrote one, and so before it made a key. */
async function readNote(path: string): Promise<RekeyNote | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as RekeyNote;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

function listed(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw cause;
  }
}
