import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Command } from "commander";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import { callDaemon } from "./call-daemon.ts";
import { RESTART } from "./daemon-version.ts";
import { differenceLines } from "./differences.ts";
import { print } from "./output.ts";
import { announce } from "./print-result.ts";
import { confirmed, interactive } from "./prompts.ts";
import { painter, plain } from "./style.ts";
import { trustShown } from "./trust.ts";

export function define(command: Command): void {
  command.argument("<name>", "the credential").action(edit);
}

export const examples = ["authd edit labelf", "EDITOR=nano authd edit labelf"];

async function edit(name: string): Promise<void> {
  const { file } = await callDaemon("credentials/show", { credential: name });
  if (file === undefined) {
    throw new AuthdError(
      "internal",
      `${name}: the running authd is too old to tell its file: ${RESTART}`,
    );
  }
  const editor = editorOf(process.env);
  const before = textOf(file);
  await editUntilRight(editor, file, name);
  if (textOf(file) === before) print(`${plain(file)} is as it was.`);
  await callDaemon("reload", {});
  await offerTrust(name);
}

/** Returns the editor as git takes it: a command of the shell, so that it may have arguments. */
function editorOf(env: NodeJS.ProcessEnv): string {
  const editor = (env.TERM === "dumb" ? undefined : env.VISUAL) || env.EDITOR;
  if (editor) return editor;
  throw new AuthdError(
    "invalid_params",
    "there is no editor: set VISUAL or EDITOR, such as EDITOR=nano authd edit NAME",
  );
}

/** Opens the file again and again, until it has no mistake or the person leaves it. */
async function editUntilRight(editor: string, file: string, name: string): Promise<void> {
  const { mistakeIn } = await import("../config/config.ts");
  const place = { dir: dirname(dirname(file)), env: process.env };
  for (;;) {
    await runEditor(editor, file);
    const mistake = mistakeIn(place, name);
    if (!mistake) return;
    const what = `${mistake.file}, ${mistake.message}`;
    process.stderr.write(`${painter(process.stderr)("red", "✖")} ${plain(what)}\n`);
    if (interactive() && (await confirmed("Open it again?"))) continue;
    throw new AuthdError(
      "credential_damaged",
      `${name}: its file has a mistake, which counts from the next authd reload or start on; mend it: authd edit ${name}`,
      { credential: name },
    );
  }
}

async function runEditor(editor: string, file: string): Promise<void> {
  const child =
    process.platform === "win32"
      ? spawn(`${editor} "${file}"`, { stdio: "inherit", shell: true })
      : spawn("/bin/sh", ["-c", `${editor} "$@"`, editor, file], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code === 0) return;
  const why = code === 127 ? "can't be found" : `ended with exit code ${code}`;
  throw new AuthdError(
    "request_failed",
    `the editor ${editor} ${why}; what it left in ${file} counts from the next authd reload on`,
  );
}

/** Shows what the edit changes about where secrets go, and asks; without a terminal it says what to type. */
async function offerTrust(name: string): Promise<void> {
  const details = await callDaemon("credentials/show", { credential: name });
  if (!details.differences) {
    announce(details, "is in effect as its file says");
    return;
  }
  print(...differenceLines(details, painter(process.stdout)));
  if (interactive()) await trustShown(details, false);
  else announce(details, "is edited, and not trusted");
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw new AuthdError("request_failed", `${file} can't be read: ${messageOf(error)}`);
  }
}
