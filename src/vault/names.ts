import { readdirSync } from "node:fs";
import { join } from "node:path";
import { AuthdError, errorCode } from "../errors.ts";

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** No other file of a vault ends like this, so no name can collide with vault.json, key or lock. */
const SUFFIX = ".sealed";

/** Returns the path of a sealed file. Throws AuthdError `invalid_params` for a name that could leave the folder. */
export function sealedPath(dir: string, name: string): string {
  if (NAME.test(name)) return join(dir, name + SUFFIX);
  throw new AuthdError(
    "invalid_params",
    `${JSON.stringify(name)} can't name a credential: use up to 64 of a-z, 0-9, ".", "_", "-", ` +
      "beginning with a letter or a digit",
  );
}

/** Returns the path at which a file that can't be opened is kept when another takes its place. */
export function quarantinePath(path: string): string {
  return `${path}.damaged-${new Date().toISOString().replaceAll(":", "-")}`;
}

/** Returns the names of credentials that have a sealed file, sorted. */
export function sealedNames(dir: string): string[] {
  try {
    return readdirSync(dir)
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => file.slice(0, -SUFFIX.length))
      .filter((name) => NAME.test(name))
      .sort();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
