import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { packagePath } from "./package-path.ts";

/** Where `npm run build:native` leaves the native command. */
const BUILT = packagePath("native/target/release/authd");

/** Package of the native command, which npm installs beside this one where there is one for the platform. */
const PACKAGE = `authd-${process.platform}-${process.arch}`;

/** The native command of this package: the one that was built, or that of the platform's package. It need not be there. */
export const NATIVE_COMMAND = existsSync(BUILT) ? BUILT : (installed() ?? BUILT);

function installed(): string | undefined {
  const program = process.platform === "win32" ? "authd.exe" : "authd";
  try {
    return createRequire(import.meta.url).resolve(`${PACKAGE}/${program}`);
  } catch {
    return undefined;
  }
}
