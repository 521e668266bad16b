/** What becomes of a file with secrets once the vault has them. */
import { rmSync } from "node:fs";
import { messageOf } from "../../errors.ts";
import { print } from "../output.ts";
import { confirmed, interactive } from "../prompts.ts";

/**
 * Offers on a terminal to remove the file; elsewhere says that it is there still. A file that stays is no reason to
 * fail: the credential is there. `what` names what the vault has, such as `the key`.
 */
export async function offerRemoval(path: string, what: string): Promise<void> {
  if (!interactive()) {
    const text = `authd: the vault has ${what} now; ${path} still holds it, too: remove it if nothing else needs it`;
    process.stderr.write(`${text}\n`);
    return;
  }
  if (!(await confirmed(`The vault has ${what} now. Remove ${path}?`))) return;
  try {
    rmSync(path);
    print(`${path} is removed.`);
  } catch (error) {
    process.stderr.write(`authd: ${path} could not be removed: ${messageOf(error)}\n`);
  }
}
