import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, startDaemon } from "./daemon.ts";
import type { Scope } from "./scope.ts";

/** A daemon with a static token, `practice-token-of-NAME`, for each name, and a `helpers.toml`. */
export async function startHelperDaemon(
  t: Scope,
  names: Readonly<Record<string, string>>,
  mapping?: string,
): Promise<Daemon> {
  const daemon = await startDaemon(t);
  if (mapping !== undefined)
    writeFileSync(join(daemon.stateDir, "helpers.toml"), mapping, { mode: 0o600 });
  for (const [name, origin] of Object.entries(names)) {
    const args = ["add", name, "--grant", "static", "--secrets-from", "-"];
    const input = JSON.stringify({ token: `practice-token-of-${name}` });
    const { code, stderr } = await daemon.cli([...args, "--set", `origins=${origin}`], { input });
    if (code !== 0) throw new Error(stderr);
  }
  return daemon;
}
