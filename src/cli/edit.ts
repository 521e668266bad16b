import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import type { Command } from "commander";
import { AuthdError, errorCode, messageOf } from "../errors.ts";
import { callDaemon } from "./call-daemon.ts";
import { notTold } from "./daemon-version.ts";
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
  if (file === undefined) throw await notTold(name, "its file");
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
  const [code, signal] = await untilEnded(editor, file);
  if (code === 0) return;
  const endedBy = signal ?? signalOf(code);
  const how = endedBy ? `was ended by ${endedBy}` : `ended with exit code ${code}`;
  const why = code === 127 ? "can't be found" : how;
  throw new AuthdError(
    "request_failed",
    `the editor ${editor} ${why}; what it left in ${file} counts from the next authd reload on`,
  );
}

/** Returns the signal that a shell tells by its exit code: 128 and the signal's number. */
function signalOf(code: number | null): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => 128 + number === code)?.[0];
}

/** Signals that a terminal sends, at Ctrl-C and Ctrl-\, to the editor and to those who wait for it. */
const KEYBOARD_SIGNALS = ["SIGINT", "SIGQUIT"] as const;
/** A trap, unlike a signal that is ignored, is not inherited by the editor. */
const LEAVE_TO_EDITOR = "trap : INT QUIT";

type Exit = [code: number | null, signal: NodeJS.Signals | null];

/** Leaves the keyboard's signals to the editor, as git does: to ed and vi they are commands. */
async function untilEnded(editor: string, file: string): Promise<Exit> {
  const ignore = () => {};
  for (const signal of KEYBOARD_SIGNALS) process.on(signal, ignore);
  try {
    const command = `${LEAVE_TO_EDITOR}; ${editor} "$@"`;
    const child =
      process.platform === "win32"
        ? spawn(`${editor} "${file}"`, { stdio: "inherit", shell: true })
        : spawn("/bin/sh", ["-c", command, editor, file], { stdio: "inherit" });
    return (await once(child, "exit")) as Exit;
  } finally {
    for (const signal of KEYBOARD_SIGNALS) process.off(signal, ignore);
  }
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
