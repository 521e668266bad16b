import { rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncFolder } from "../base/atomic-write.ts";
import { explainFileError } from "../base/file-error.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { AuthdError, errorCode } from "../errors.ts";
import type { Manifest } from "./manifest.ts";
import { generationOf, MAX_FILE_BYTES, seal, unseal } from "./sealed-file.ts";
import type { ManagedVault } from "./vault.ts";
import type { VaultDirectory } from "./vault-directory.ts";
import type { OpenKey } from "./vault-key.ts";

export type Journal = ManagedVault<object>["journal"];

const FILE = "intent";
/** Far more than an upload may bring. */
const MAX_BYTES = 4 * MAX_FILE_BYTES;
/** The name that the file is sealed for: no credential can be called that. */
const SEALED_AS = "THE INTENT";

/**
 * Returns the vault's write-ahead journal: one file, for one piece of work at a time. `usable` throws
 * while there is no key. The file has a generation as records have, so that a copy of a journal whose
 * work was completed is refused.
 */
export function createJournal(
  directory: VaultDirectory,
  manifest: Manifest,
  usable: () => OpenKey,
): Journal {
  const path = join(directory.dir, FILE);
  const next = () => manifest.generationOf(SEALED_AS) + 1;
  return {
    read() {
      const { key, header } = usable();
      try {
        const file = readRegularFile(path, MAX_BYTES);
        const plaintext = unseal(key, header.keyId, SEALED_AS, file);
        const generation = generationOf(file);
        const known = manifest.generationOf(SEALED_AS);
        if (generation < known) throw new Error(CARRIED_OUT);
        if (generation > known) manifest.note(SEALED_AS, { generation });
        return JSON.parse(plaintext.toString()) as object;
      } catch (cause) {
        if (errorCode(cause) === "ENOENT") return undefined;
        throw journalError(path, cause);
      }
    },
    async write(content) {
      const open = usable();
      const plaintext = Buffer.from(JSON.stringify(content));
      await directory.ensure(open);
      const generation = next();
      const file = seal(open.key, open.header.keyId, SEALED_AS, plaintext, generation);
      await replaceFile(path, file, { sync: "folder" });
      manifest.note(SEALED_AS, { generation });
    },
    async remove() {
      const open = usable();
      await rm(path, { force: true });
      await syncFolder(directory.dir);
      manifest.note(SEALED_AS, { generation: next(), removed: true });
      // A manifest that fails is written later, and reported, by `ensure` of the vault.
      await manifest.save(open).catch(() => {});
    },
  };
}

const CARRIED_OUT = "it is a copy of one that was carried out before";

function journalError(path: string, cause: unknown): AuthdError {
  const why = cause instanceof AuthdError ? "it is damaged" : explainFileError(cause);
  return new AuthdError(
    "internal",
    `What was begun when authd was stopped can't be completed, as ${path} can't be opened: ${why}. ` +
      "Move it away, and begin again",
    { cause },
  );
}
