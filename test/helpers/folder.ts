import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scope } from "./scope.ts";

/** An empty folder (0700) that is removed when the test ends. */
export function temporaryFolder(t: Scope): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "authd-"));
  t.teardown(() => removeFolder(folder));
  return folder;
}

/** Removes a folder; again if a program that is ending (a browser's child) has put a file into it meanwhile. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
