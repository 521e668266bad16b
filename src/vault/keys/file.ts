import { randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createFile } from "../../base/atomic-write.ts";
import { explainFileError } from "../../base/file-error.ts";
import { openRegularFile } from "../../base/regular-file.ts";
import { errorCode, messageOf } from "../../errors.ts";
import { KEY_BYTES, type KeyProvider, locked, parseKey } from "./key-source.ts";

/** Keeps the key in a file `key` beside the sealed ones: base64, mode 0600. It protects copies of the sealed files only. */
export const fileKey = {
  async create({ dir }) {
    const key = randomBytes(KEY_BYTES);
    if (await writeKeyFile(dir, key)) return { key };
    // Left by a start that was cut off before vault.json was written: nothing is sealed with it yet.
    key.fill(0);
    return { key: readKeyFile(dir) };
  },
  async load({ dir }) {
    return readKeyFile(dir);
  },
  async restore(dir, key) {
    if (await writeKeyFile(dir, key)) return;
    const there = readKeyFile(dir);
    const same = timingSafeEqual(there, key);
    there.fill(0);
    if (!same) throw locked(`The key file ${pathOf(dir)} was replaced. Put the right one back`);
  },
} as const satisfies KeyProvider;

const pathOf = (dir: string) => join(dir, "key");

/** Returns false if there is a key file already: it is never overwritten. */
async function writeKeyFile(dir: string, key: Buffer): Promise<boolean> {
  try {
    await createFile(pathOf(dir), Buffer.from(`${key.toString("base64")}\n`));
    return true;
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") return false;
    throw locked(`The key file ${pathOf(dir)} can't be written: ${explainFileError(cause)}`, cause);
  }
}

function readKeyFile(dir: string): Buffer {
  const path = pathOf(dir);
  let bytes: Buffer;
  try {
    bytes = readPrivateFile(path);
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT")
      throw locked(`The key file ${path} can't be used: ${messageOf(cause)}`, cause);
    throw locked(
      `The key file ${path} is missing. Put it back from a backup: without it the sealed files ` +
        "can't be opened, and authd makes no new key over an existing vault",
    );
  }
  const key = parseKey(bytes);
  bytes.fill(0);
  if (!key) throw locked(`The key file ${path} holds no key. Put it back from a backup`);
  return key;
}

/** Reads a file. Throws if anybody else owns it or can read it: others may know the key then. */
function readPrivateFile(path: string): Buffer {
  const { descriptor, stats } = openRegularFile(path, { followLinks: true });
  try {
    const { mode, uid } = stats;
    if (uid !== 0 && uid !== (process.geteuid?.() ?? uid)) {
      throw new Error(`it belongs to another user (uid ${uid}), who may know the key`);
    }
    if (process.platform !== "win32" && mode & 0o077) {
      throw new Error(
        `others may read it (mode ${(mode & 0o777).toString(8)}). ` +
          `If nobody else had access to it, mend that with: chmod 600 ${path}`,
      );
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
