/** The links by which the native command is found on the PATH, and its record of the Node command. */
import { lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { replaceFileNow } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";
import { home } from "../config/directories.ts";
import { errorCode } from "../errors.ts";
import type { Launch } from "./launch.ts";

/** `absent`: nothing is there. `ours`: a link to this native command. `foreign`: anything else. */
type LinkState = "absent" | "ours" | "foreign";

/** Returns the path of the link by which the command is called `name`. */
export function nativeLinkPath(env: NodeJS.ProcessEnv, name: string): string {
  return join(home(env), ".local", "bin", name);
}

/** Tells what is at `link`. */
export function nativeLinkState(link: string, native: string): LinkState {
  const found = lstatSync(link, { throwIfNoEntry: false });
  if (!found) return "absent";
  return found.isSymbolicLink() && readlinkSync(link) === native ? "ours" : "foreign";
}

/** Makes the link. */
export function linkNative(link: string, native: string): void {
  makeFolder(dirname(link));
  symlinkSync(native, link);
}

/** Removes the link if it is ours. Returns whether it was. */
export function unlinkNative(link: string, native: string): boolean {
  const isOurs = nativeLinkState(link, native) === "ours";
  if (isOurs) rmSync(link, { force: true });
  return isOurs;
}

/** Writes to which Node and main.js the native command hands what it does not do, unless it has them. */
export function recordNodeCommand(native: string, launch: Pick<Launch, "node" | "main">): void {
  const content = `${launch.node}\n${launch.main}\n`;
  if (readRecord(native) === content) return;
  replaceFileNow(recordPath(native), content, { sync: "none", mode: 0o644 });
}

/** Returns the recorded Node and main.js; empty if there is no record. */
export function recordedNodeCommand(native: string): string[] {
  return readRecord(native).split("\n").filter(Boolean);
}

const recordPath = (native: string) => join(dirname(native), "node-command");

function readRecord(native: string): string {
  try {
    return readFileSync(recordPath(native), "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
