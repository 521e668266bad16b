import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { temporaryFolder } from "./folder.ts";

/** A configuration folder: `config.toml` under `config`, credential files by their whole name. */
export function configFolder(
  t: ExecutionContext,
  files: Readonly<Record<string, string>> = {},
  config?: string,
): string {
  const dir = temporaryFolder(t);
  mkdirSync(join(dir, "credentials"), { mode: 0o700 });
  if (config !== undefined) writeFileSync(join(dir, "config.toml"), config, { mode: 0o600 });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, "credentials", name), text, { mode: 0o600 });
  }
  return dir;
}
