import { resolve } from "node:path";
import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { idOf } from "../config/accounts.ts";
import { AuthdError } from "../errors.ts";
import type { TokenFileFormat, TokenFileInfo } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { print, printJson } from "./output.ts";
import { type Paint, painter, plain } from "./style.ts";
import { table } from "./table.ts";
import { expiry } from "./times.ts";

const FORMATS = ["token", "header", "json"];

interface TokenFileOptions {
  format?: TokenFileFormat;
  mode?: string;
  owner?: string;
  scope?: string;
  audience?: string;
  list?: boolean;
  remove?: boolean;
  json?: boolean;
}

export async function define(command: Command): Promise<void> {
  const { Option } = await import("commander");
  command
    .argument("[name]", "the credential")
    .argument("[path]", "the file that is to hold its token")
    .addOption(new Option("--format <format>", "what to write (default: token)").choices(FORMATS))
    .option("--mode <mode>", "its permissions, such as 0640 (default: 0600)")
    .option(
      "--owner <user:group>",
      "its owner, where authd runs as root; :GROUP for the group alone",
    )
    .option("--scope <scope>", "another scope than the credential's own")
    .option("--audience <audience>", "another audience than the credential's own")
    .option("--list", "show the files that are kept")
    .option("--remove", "with the PATH alone: delete the file, and keep it no more")
    .option("--json", "for programs: what the daemon answers")
    .action(tokenFile);
}

export const examples = [
  "authd token-file labelf /run/prometheus/labelf.token --mode 0640 --owner :prometheus",
  "authd token-file --list",
  "authd token-file --remove /run/prometheus/labelf.token",
];

async function tokenFile(
  name: string | undefined,
  path: string | undefined,
  options: TokenFileOptions,
): Promise<void> {
  const { list = false, remove = false } = options;
  if (list) return await show(options);
  if (remove) return await withdraw(name, path, options);
  if (name === undefined || path === undefined) {
    const text = "a credential and a path: authd token-file NAME PATH, or --list, or --remove PATH";
    throw new AuthdError("invalid_params", text);
  }
  await add(name, path, options);
}

async function add(name: string, path: string, options: TokenFileOptions): Promise<void> {
  const { format, mode, owner, scope, audience, json = false } = options;
  const info = await callDaemon("tokenFiles/add", {
    ...{ credential: name, path: resolve(path), ...(owner === undefined ? {} : ownerOf(owner)) },
    ...omitUndefined({ format, mode, scope, audience }),
  });
  if (json) return printJson(info);
  print(
    `${plain(info.path)} holds ${name}'s token, and authd keeps it current.`,
    `  to end that: authd token-file --remove ${plain(info.path)}`,
  );
}

async function withdraw(
  first: string | undefined,
  second: string | undefined,
  { json = false }: TokenFileOptions,
): Promise<void> {
  if (first === undefined || second !== undefined) {
    throw new AuthdError("invalid_params", "--remove takes the path of the file alone");
  }
  const path = resolve(first);
  const result = await callDaemon("tokenFiles/remove", { path });
  if (json) return printJson(result);
  print(`${plain(path)} is deleted, and kept no more.`);
}

async function show({ json = false }: TokenFileOptions): Promise<void> {
  const result = await callDaemon("tokenFiles/list", {});
  if (json) return printJson(result);
  const { tokenFiles } = result;
  if (tokenFiles.length === 0) return print("No files. To keep one: authd token-file NAME PATH");
  const paint = painter(process.stdout);
  print(
    ...table([
      ["CREDENTIAL", "FILE", "MODE", "TOKEN"],
      ...tokenFiles.map((file) => row(file, paint)),
    ]),
  );
}

function row(
  { credential, path, mode, expiresAt, problem }: TokenFileInfo,
  paint: Paint,
): string[] {
  const state = problem === undefined ? validity(expiresAt) : paint("red", plain(problem));
  return [plain(credential), plain(path), mode ?? "0600", state];
}

function validity(expiresAt: TokenFileInfo["expiresAt"]): string {
  if (expiresAt === undefined) return "not written yet";
  return expiresAt === null ? "valid" : expiry(expiresAt, Date.now());
}

/** Looks up a user, a group, or both, as chown(1) writes them. */
function ownerOf(text: string): { uid?: number; gid?: number } {
  const [user = "", group = ""] = text.split(":");
  if (user === "" && group === "") {
    throw new AuthdError(
      "invalid_params",
      `--owner takes USER, USER:GROUP or :GROUP, not "${text}"`,
    );
  }
  return {
    ...(user === "" ? {} : { uid: idOf("user", user) }),
    ...(group === "" ? {} : { gid: idOf("group", group) }),
  };
}
