/** Asks on the desktop, with a dialog program that is installed. */
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { cleanEnvironment, endProgram } from "../../base/child.ts";
import { Turns } from "../../base/turns.ts";
import type { PendingApproval } from "../../protocol.ts";
import type { Answer } from "./approval-cache.ts";
import type { ApprovalPrompter } from "./approval-queue.ts";
import { ANSWERS, detailsOf, sentenceOf } from "./approval-text.ts";

type Env = Readonly<Record<string, string | undefined>>;

interface Dialog {
  program: string;
  platforms: readonly NodeJS.Platform[];
  /** Returns arguments that show `text` as it is, not as markup, and offer `choices`. */
  args(text: string, choices: readonly Choice[]): string[];
  /** Finds the choice in the program's output. */
  read(stdout: string, choices: readonly Choice[]): Choice | undefined;
}

interface Choice {
  answer: Answer;
  label: string;
}

const TITLE = "authd";
/** A dialog that is closed sooner was never shown: nobody reads and refuses so fast. */
const MIN_ANSWER_MS = 300;

const byLabel = (stdout: string, choices: readonly Choice[]) =>
  choices.find(({ label }) => label === stdout.trim());
const byAnswer = (stdout: string, choices: readonly Choice[]) =>
  choices.find(({ answer }) => answer === stdout.trim());

/** Dialog programs, in order of preference. */
const dialogs: readonly Dialog[] = [
  {
    program: "kdialog",
    platforms: ["linux", "freebsd"],
    args: (text, choices) => [
      ...["--title", TITLE, "--menu", withoutMarkup(text)],
      ...choices.flatMap(({ answer, label }) => [answer, label]),
    ],
    read: byAnswer,
  },
  {
    program: "zenity",
    platforms: ["linux", "freebsd"],
    args: (text, choices) => [
      ...["--list", "--title", TITLE, "--text", withoutMarkup(text), "--hide-header"],
      ...["--width", "560", "--height", "420", "--column", "answer"],
      ...choices.map(({ label }) => label),
    ],
    read: byLabel,
  },
  {
    program: "osascript",
    platforms: ["darwin"],
    // The text comes as an argument of the script, never as part of it.
    args: (text, choices) => [
      ...["-e", "on run argv", "-e", "set answers to items 2 thru -1 of argv"],
      ...["-e", 'choose from list answers with title "authd" with prompt (item 1 of argv)'],
      ...["-e", "end run", "--", text, ...choices.map(({ label }) => label)],
    ],
    read: byLabel,
  },
];

export interface DesktopOptions {
  env: Env;
  platform?: NodeJS.Platform;
  /** Called if a dialog could not be shown: the question waits for somebody in a terminal. */
  onFailed: (question: PendingApproval) => void;
}

/**
 * Creates what asks on this desktop, with one dialog at a time: several windows at once are answered by
 * mistake. Returns undefined if there is no desktop, or no program to ask with.
 */
export function desktopPrompter(options: DesktopOptions): ApprovalPrompter | undefined {
  const { env, platform = process.platform, onFailed } = options;
  if (platform !== "darwin" && !env.DISPLAY && !env.WAYLAND_DISPLAY) return undefined;
  const dialog = dialogs.find(
    ({ program, platforms }) => platforms.includes(platform) && isInstalled(program, env),
  );
  if (!dialog) return undefined;
  const turns = new Turns();
  return (question, answer) => {
    const withdrawal = new AbortController();
    const { signal } = withdrawal;
    const prompt = async () => {
      if (signal.aborted) return;
      const given = await showDialog(dialog, env, question, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (given) answer(given);
      else onFailed(question);
    };
    void turns.run(prompt);
    return () => withdrawal.abort();
  };
}

/** Shows a dialog until it is closed or `withdrawn`. Returns undefined if it could not be shown. */
async function showDialog(
  { program, args, read }: Dialog,
  env: Env,
  question: PendingApproval,
  withdrawn: AbortSignal,
): Promise<Answer | undefined> {
  const choices = [...question.choices, "no" as const].map((answer) => ({
    answer,
    label: ANSWERS[answer],
  }));
  const { spawn } = await import("node:child_process");
  if (withdrawn.aborted) return undefined;
  const startedAtMs = performance.now();
  const child = spawn(program, args(textOf(question), choices), {
    env: cleanEnvironment(env),
    stdio: ["ignore", "pipe", "ignore"],
  });
  const end = () => endProgram(child, "SIGTERM");
  withdrawn.addEventListener("abort", end, { once: true });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(0, 1_000);
  });
  // Node emits "close" after "error".
  child.on("error", () => {});
  const code = await new Promise((resolve) => child.once("close", resolve));
  withdrawn.removeEventListener("abort", end);
  if (code === 0) return read(stdout, choices)?.answer ?? "no";
  const wasClosed = code === 1 && performance.now() - startedAtMs > MIN_ANSWER_MS;
  return wasClosed ? "no" : undefined;
}

function textOf(question: PendingApproval): string {
  return [`${sentenceOf(question)}.`, "", ...detailsOf(question)].join("\n");
}

/** Replaces what the toolkits read as tags, entities and escapes by look-alikes. */
function withoutMarkup(text: string): string {
  return text.replace(/&/g, "＆").replace(/</g, "‹").replace(/>/g, "›").replace(/\\/g, "＼");
}

function isInstalled(program: string, env: Env): boolean {
  const folders = (env.PATH ?? "").split(delimiter).filter(isAbsolute);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
