import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { buffer, text } from "node:stream/consumers";
import { protectTypedSecrets } from "../base/core-dump.ts";
import { AuthdError, messageOf } from "../errors.ts";
import { painter } from "./style.ts";

/** Secrets out of a JSON object: `{"client_secret": "…"}`, in a file, or `-` for standard input. */
export async function secretsFrom(source: string): Promise<Record<string, string>> {
  if (source === "-" && process.stdin.isTTY) {
    throw new AuthdError(
      "invalid_params",
      "--secrets-from - reads a pipe; on a terminal leave it out, and authd asks without echo",
    );
  }
  protectTypedSecrets();
  const content =
    source === "-" ? await text(process.stdin) : await readPrivately(source, "--secrets-from");
  return checked(parse(content, source), source);
}

/** Reads the one secret of `--secret NAME=-`: all that comes out of the pipe but its last newline. */
export async function secretFromPipe(given: string): Promise<Record<string, string>> {
  const [, name = ""] = /^([A-Za-z0-9_-]+)=-$/.exec(given) ?? [];
  if (name === "") {
    throw new AuthdError(
      "invalid_params",
      "--secret takes NAME=-, and the secret out of a pipe: other programs can see arguments",
    );
  }
  if (process.stdin.isTTY) {
    throw new AuthdError(
      "invalid_params",
      `--secret ${name}=- reads a pipe; on a terminal leave it out, and authd asks without echo`,
    );
  }
  protectTypedSecrets();
  const bytes = await buffer(process.stdin);
  if (!isUtf8(bytes)) {
    throw new AuthdError("invalid_params", `--secret ${name}=-: what came is not UTF-8 text`);
  }
  const content = bytes.toString();
  const secret = content.replace(/\r?\n$/, "");
  if (secret !== content) {
    process.stderr.write(`authd: ${name}: without the newline at the end of the pipe\n`);
  }
  return { [name]: secret };
}

/** Reads a file with secrets, and warns if others can read it, too. `option` names it in errors. */
export async function readPrivately(path: string, option: string): Promise<string> {
  protectTypedSecrets();
  try {
    await warnIfShared(path);
    return await readFile(path, "utf8");
  } catch (error) {
    throw new AuthdError("invalid_params", `${option}: ${messageOf(error)}`);
  }
}

/** Warns if others can read a file with secrets. Rejects with the system's error. */
export async function warnIfShared(path: string): Promise<void> {
  const { mode } = await stat(path);
  if (process.platform === "win32" || (mode & 0o077) === 0) return;
  const warning = painter(process.stderr)("yellow", "warning:");
  const who = "others on this machine can read it";
  process.stderr.write(`${warning} ${path}: ${who}; chmod 600 it, or delete it afterwards\n`);
}

function parse(content: string, source: string): unknown {
  try {
    return JSON.parse(content.replace(/^\ufeff/, ""));
  } catch {
    // Without the cause: its message quotes the text, which is a secret.
    throw notAnObject(source);
  }
}

function checked(value: unknown, source: string): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw notAnObject(source);
  }
  for (const [name, secret] of Object.entries(value)) {
    if (typeof secret !== "string") {
      throw new AuthdError("invalid_params", `--secrets-from ${source}: ${name} must be a string`);
    }
  }
  return value as Record<string, string>;
}

function notAnObject(source: string): AuthdError {
  const what = source === "-" ? "standard input" : source;
  return new AuthdError(
    "invalid_params",
    `--secrets-from: ${what} is not a JSON object such as {"client_secret": "…"}`,
  );
}
