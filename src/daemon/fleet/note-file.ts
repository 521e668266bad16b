/** Small files beside the vault that tell of a store. */
import { readRegularFile } from "../../base/regular-file.ts";
import { AuthdError, errorCode, messageOf } from "../../errors.ts";

const MAX_BYTES = 65_536;

/** Returns the text; undefined if there is none. Throws AuthdError `invalid_params` that names the file if it can't be read. */
export function readNote(path: string): string | undefined {
  try {
    return readRegularFile(path, MAX_BYTES).toString();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw unreadableNote(path, messageOf(error));
  }
}

export function unreadableNote(path: string, why: string): AuthdError {
  const text = `${path} tells which store this host shares or leaves, and can't be read: ${why}. If it shares one, put [store] back into config.toml; then move away what is at that path, and start authd again`;
  return new AuthdError("invalid_params", text);
}
