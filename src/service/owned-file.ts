import { createHash } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { replaceFileNow } from "../base/atomic-write.ts";
import { makeFolder } from "../base/make-folder.ts";
import type { ServiceManager } from "./manager.ts";

/**
 * `ours`: as authd wrote it; `edited`: written by authd and changed since; `foreign`: written by somebody
 * else, or no regular file. Only `ours` may be replaced or removed.
 */
type Ownership = "absent" | "ours" | "edited" | "foreign";

export interface FoundFile {
  path: string;
  ownership: Ownership;
  /** Empty unless authd wrote it. */
  content: string;
}

const MARK = /^.*Written by "authd service install".*sha256:([0-9a-f]{64}).*\n/m;

/** Adds the line that marks a file as authd's. */
export function marked(content: string, { open, close, line }: ServiceManager["comment"]): string {
  const text = `Written by "authd service install", sha256:${digestOf(content)}`;
  const lines = content.split("\n");
  lines.splice(line, 0, `${open} ${text}${close}`);
  return lines.join("\n");
}

/** Finds out who wrote a file. Throws the file system's error if that can't be told. */
export function look(path: string): FoundFile {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return { path, ownership: "absent", content: "" };
  if (!found.isFile()) return { path, ownership: "foreign", content: "" };
  const content = readFileSync(path, "utf8");
  const digest = MARK.exec(content)?.[1];
  if (!digest) return { path, ownership: "foreign", content: "" };
  const same = digestOf(content.replace(MARK, "")) === digest;
  return { path, ownership: same ? "ours" : "edited", content };
}

/** Writes a file, whole or not at all, and makes its folder. */
export function put(path: string, content: string): void {
  makeFolder(dirname(path));
  replaceFileNow(path, content, { sync: "folder", mode: 0o644 });
}

function digestOf(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}
