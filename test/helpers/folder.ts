import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scope } from "./scope.ts";

/** An empty folder (0700) that is removed when the test ends. */
export function temporaryFolder(t: Scope): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "authd-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
