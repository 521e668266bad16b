/** Tells this host's vault folder from every other, also from one that had its name before. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { replaceFileNow } from "../../base/atomic-write.ts";
import { readRegularFile } from "../../base/regular-file.ts";
import { stateDir } from "../../config/config.ts";

const MAX_BYTES = 1024;
const ID = /^[0-9a-f]{16}$/;

/**
 * Returns the random id of the vault's folder, which is made with the first store and stays in it. Where the disk
 * fails it is another one with each start: what an earlier start has left is then another host's.
 */
export function vaultInstance(env: NodeJS.ProcessEnv): string {
  const path = join(stateDir(env), "vault", "instance");
  try {
    const known = readRegularFile(path, MAX_BYTES).toString().trim();
    if (ID.test(known)) return known;
  } catch {
    // As on the first start.
  }
  const id = randomBytes(8).toString("hex");
  try {
    replaceFileNow(path, `${id}\n`, { sync: "folder" });
  } catch {
    // Said by what can't be sealed.
  }
  return id;
}
