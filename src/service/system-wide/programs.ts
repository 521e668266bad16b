/** Checks that another user's service can run Node and authd, and that only root can change them. */
import { lstatSync, readdirSync, realpathSync, type Stats } from "node:fs";
import { dirname, join } from "node:path";

/** Folders that a service with ProtectHome= and PrivateTmp= can't see. */
const HIDDEN = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

const INSTALL =
  "Install Node and authd for the whole system, as root (such as a Node of the distribution and npm install --global authd)";

/**
 * Returns why the service can't, or must not, start `node` with `main`, in a sentence; undefined if it may.
 * Both paths are absolute; `main` is dist/src/main.js in the package's folder.
 */
export function whyNotSystemWide(node: string, main: string): string | undefined {
  const program = dirname(dirname(dirname(realpathSync(main))));
  for (const path of [realpathSync(node), program]) {
    const why = whyHidden(path) ?? whyNotRoots(path) ?? whyNotReadable(path);
    if (why) return `${why}. ${INSTALL}`;
  }
  const changeable = findBelow(program, (path, stats) => whyChangeable(path, stats));
  return changeable === undefined ? undefined : `${changeable}. ${INSTALL}`;
}

function whyHidden(path: string): string | undefined {
  const folder = HIDDEN.find((one) => path === one || path.startsWith(`${one}/`));
  return folder && `${path} is in ${folder}, of which the service sees nothing`;
}

function whyNotRoots(path: string): string | undefined {
  return findAbove(path, (here, stats) => whyChangeable(here, stats));
}

function whyChangeable(path: string, { uid, mode }: Stats): string | undefined {
  if (uid !== 0) return `${path} is user ${uid}'s, who could put another program in its place`;
  return mode & 0o022 ? `others may write to ${path}, and so replace the program` : undefined;
}

/** Returns why other users can't read a path. The file's group does not count: the service has another. */
function whyNotReadable(path: string): string | undefined {
  return findAbove(path, (here, stats) => {
    const needed = stats.isDirectory() && here !== path ? 0o001 : 0o005;
    return (stats.mode & needed) === needed ? undefined : `other users can't read ${here}`;
  });
}

type Look = (path: string, stats: Stats) => string | undefined;

function findAbove(path: string, look: Look): string | undefined {
  for (let here = path; ; here = dirname(here)) {
    const found = look(here, lstatSync(here));
    if (found ?? here === dirname(here)) return found;
  }
}

/** Searches everything below a folder. Skips links: npm makes none that lead out of its folder. */
function findBelow(folder: string, look: Look): string | undefined {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const stats = lstatSync(path);
    if (stats.isSymbolicLink()) continue;
    const found = look(path, stats) ?? (stats.isDirectory() ? findBelow(path, look) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}
