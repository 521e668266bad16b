import { lstatSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Returns why an ordinary user could have put what stands at `path` (absolute, links resolved), which belongs
 * to `owner`: the folder must be its owner's or root's, all above it root's, and none of them open to
 * others for writing. Undefined: only root has made that place.
 */
export function untrustedPathReason(path: string, owner: number): string | undefined {
  const folder = dirname(path);
  for (let here = folder; ; here = dirname(here)) {
    const { uid, mode } = lstatSync(here);
    if (uid !== 0 && !(here === folder && uid === owner)) return `${here} is user ${uid}'s`;
    if (mode & 0o022) return `others may write to ${here}`;
    if (here === dirname(here)) return undefined;
  }
}
