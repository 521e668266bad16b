import { rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, explain, replaceFile, syncFolder } from "../atomic-write.ts";
import { AuthdError } from "../errors.ts";
import type { VaultHome } from "./home.ts";
import { readPlainFile } from "./plain-file.ts";
import { MAX_FILE_BYTES, seal, unseal } from "./sealed-file.ts";
import type { OwnVault } from "./vault.ts";
import type { OpenKey } from "./vault-key.ts";

export type Intent = OwnVault<object>["intent"];

const FILE = "intent";
/** Bytes: far more than what an upload may bring. */
const MOST = 4 * MAX_FILE_BYTES;
/** What its seal is for: no credential can be called that. */
const SEALED_AS = "THE INTENT";

/** The one intent of a vault; `usable` throws while there is no key. */
export function intentOf(home: VaultHome, usable: () => OpenKey): Intent {
  const path = join(home.dir, FILE);
  return {
    read() {
      const { key, header } = usable();
      try {
        const plaintext = unseal(key, header.keyId, SEALED_AS, readPlainFile(path, MOST));
        return JSON.parse(plaintext.toString()) as object;
      } catch (cause) {
        if (codeOf(cause) === "ENOENT") return undefined;
        throw unreadable(path, cause);
      }
    },
    async write(content) {
      const open = usable();
      const plaintext = Buffer.from(JSON.stringify(content));
      await home.ensure(open);
      const file = seal(open.key, open.header.keyId, SEALED_AS, plaintext);
      await replaceFile(path, file, { durable: true });
    },
    async remove() {
      usable();
      await rm(path, { force: true });
      await syncFolder(home.dir);
    },
  };
}

function unreadable(path: string, cause: unknown): AuthdError {
  const why = cause instanceof AuthdError ? "it is damaged" : explain(cause);
  return new AuthdError(
    "internal",
    `What was begun when authd was stopped can't be completed, as ${path} can't be opened: ${why}. ` +
      "Move it away, and begin again",
    { cause },
  );
}
