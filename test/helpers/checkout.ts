import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { temporaryFolder } from "./folder.ts";
import { ROOT } from "./sources.ts";

const NOT_COPIED = ["node_modules", "dist", ".dist", ".turn", ".git"].map((name) =>
  join(ROOT, name),
);

/** A copy of the checkout as it is before its first build, with the packages that are installed here. */
export function copyCheckout(t: ExecutionContext): string {
  const folder = join(temporaryFolder(t), "checkout");
  cpSync(ROOT, folder, { recursive: true, filter: (path) => !NOT_COPIED.includes(path) });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}
