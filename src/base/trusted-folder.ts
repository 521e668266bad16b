import { lstatSync } from "node:fs";
import { dirname } from "node:path";

const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Returns why somebody else could replace what is in `folder` (absolute, links resolved): it and each folder
 * above it must belong to our own user or root, and be closed to others for writing. Above it, others may
 * write where each can delete its own only (sticky, as /tmp). Undefined: nobody else can. Throws Node's error.
 */
export function untrustedFolderReason(folder: string): string | undefined {
  const own = process.geteuid?.();
  if (own === undefined) return undefined;
  for (let here = folder; ; here = dirname(here)) {
    const { uid, mode } = lstatSync(here);
    if (uid !== 0 && uid !== own) return `${here} belongs to user ${uid}`;
    const isProtected = here !== folder && (mode & STICKY) !== 0;
    if (mode & WRITABLE_BY_OTHERS && !isProtected) return `others may write to ${here}`;
    if (here === dirname(here)) return undefined;
  }
}
