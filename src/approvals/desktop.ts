/** Asks on the desktop, with the dialog program that is there. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { Asker } from "../approvals.ts";
import { cleanEnvironment, endProgram } from "../child.ts";
import type { PendingApproval } from "../protocol.ts";
import type { Answer } from "./answers.ts";

type Env = Readonly<Record<string, string | undefined>>;

interface Dialog {
  program: string;
  platforms: readonly NodeJS.Platform[];
  /** Arguments that show `text` as it is, not as markup, and offer `choices` by their labels. */
  args(text: string, choices: readonly Choice[]): string[];
  /** What was chosen, of what it printed. */
  read(stdout: string, choices: readonly Choice[]): Choice | undefined;
}

interface Choice {
  answer: Answer;
  label: string;
}

const TITLE = "authd";
const LABELS: Record<Answer, string> = {
  no: "No",
  once: "Yes, this once",
  process: "Yes, as long as this program runs",
  hour: "Yes, for an hour",
  session: "Yes, until authd locks or ends",
  always: "Yes, always: write it down as a rule",
};

const byLabel = (stdout: string, choices: readonly Choice[]) =>
  choices.find(({ label }) => label === stdout.trim());
const byAnswer = (stdout: string, choices: readonly Choice[]) =>
  choices.find(({ answer }) => answer === stdout.trim());

/** In order of preference. */
const dialogs: readonly Dialog[] = [
  {
    program: "kdialog",
    platforms: ["linux", "freebsd"],
    args: (text, choices) => [
      ...["--title", TITLE, "--menu", asText(text)],
      ...choices.flatMap(({ answer, label }) => [answer, label]),
    ],
    read: byAnswer,
  },
  {
    program: "zenity",
    platforms: ["linux", "freebsd"],
    args: (text, choices) => [
      ...["--list", "--title", TITLE, "--text", asText(text), "--hide-header"],
      ...["--width", "560", "--height", "420", "--column", "answer"],
      ...choices.map(({ label }) => label),
    ],
    read: byLabel,
  },
  {
    program: "osascript",
    platforms: ["darwin"],
    // What is shown comes as arguments of the script, never as part of it.
    args: (text, choices) => [
      ...["-e", "on run argv", "-e", "set answers to items 2 thru -1 of argv"],
      ...["-e", 'choose from list answers with title "authd" with prompt (item 1 of argv)'],
      ...["-e", "end run", "--", text, ...choices.map(({ label }) => label)],
    ],
    read: byLabel,
  },
];

/** What asks on this desktop; undefined if there is none, or no program to ask with. */
export function desktopAsker(env: Env, platform = process.platform): Asker | undefined {
  if (platform === "linux" && !env.DISPLAY && !env.WAYLAND_DISPLAY) return undefined;
  const dialog = dialogs.find(
    ({ program, platforms }) => platforms.includes(platform) && isThere(program, env),
  );
  if (!dialog) return undefined;
  return (question, answer) => ask(dialog, env, question, answer);
}

function ask(
  { program, args, read }: Dialog,
  env: Env,
  question: PendingApproval,
  answer: (answer: Answer) => void,
): () => void {
  const choices = [...question.choices, "no" as const].map((one) => ({
    answer: one,
    label: LABELS[one],
  }));
  const child: ChildProcess = spawn(program, args(textOf(question), choices), {
    env: cleanEnvironment(env),
    stdio: ["ignore", "pipe", "ignore"],
  });
  let open = true;
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(0, 1_000);
  });
  // A dialog that can't be shown is no answer: others may still be asked.
  child.on("error", () => {});
  child.on("close", (code) => {
    if (!open) return;
    open = false;
    const chosen = code === 0 ? read(stdout, choices) : undefined;
    // Closing the window is a no; a program that fails at once (no display) is not.
    if (chosen) answer(chosen.answer);
    else if (code === 1) answer("no");
  });
  return () => {
    if (!open) return;
    open = false;
    endProgram(child, "SIGTERM");
  };
}

/** What a person is shown, on the desktop and in a terminal. */
export function textOf(question: PendingApproval): string {
  const { credential, what, program, processes, script, terminal, unit, container } = question;
  const lines: [string, string | undefined][] = [
    ["runs", script],
    ["started by", processes.slice(1, 4).join(" ← ") || undefined],
    ["terminal", terminal],
    ["unit", unit],
    ["container", container],
    ["not known", question.unknown],
  ];
  const details = lines.flatMap(([name, value]) =>
    value === undefined ? [] : `${name}: ${value}`,
  );
  return [`${program} asks for ${what} of ${credential}.`, ...details].map(oneLine).join("\n");
}

/** Names of programs are anybody's choice: none may begin a line of its own or turn the text around. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?").slice(0, 400);
}

/** Both toolkits take tags and entities for markup, one of them only at times: look-alikes stand in. */
function asText(text: string): string {
  return text.replace(/&/g, "＆").replace(/</g, "‹").replace(/>/g, "›");
}

function isThere(program: string, env: Env): boolean {
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
