import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeFolder } from "../../src/base/remove-folder.ts";
import type { Scope } from "./scope.ts";

/** An empty folder (0700) that is removed when the test ends. */
export function temporaryFolder(t: Scope): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "authd-"));
  t.teardown(() => removeFolder(folder));
  return folder;
}
