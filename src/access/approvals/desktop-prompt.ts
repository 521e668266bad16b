/** Asks on the desktop, with the dialog program that is there. */
import type { ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { cleanEnvironment, endProgram } from "../../base/child.ts";
import type { PendingApproval } from "../../protocol.ts";
import type { Answer } from "./answers.ts";
import { ANSWERS, detailsOf, sentenceOf } from "./approval-text.ts";
import type { ApprovalPrompter } from "./approvals.ts";

type Env = Readonly<Record<string, string | undefined>>;

interface Dialog {
  program: string;
  platforms: readonly NodeJS.Platform[];
  /** Arguments that show `text` as it is, not as markup, and offer `choices`. */
  args(text: string, choices: readonly Choice[]): string[];
  /** What was chosen, of what it printed. */
  read(stdout: string, choices: readonly Choice[]): Choice | undefined;
}

interface Choice {
  answer: Answer;
  label: string;
}

const TITLE = "authd";
/** Nobody reads and refuses so fast, ms: a dialog that ends sooner could not be shown. */
const MIN_ANSWER_MS = 300;

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

export interface DesktopOptions {
  env: Env;
  platform?: NodeJS.Platform;
  /** A dialog could not be shown: the question waits for somebody in a terminal. */
  failed: (question: PendingApproval) => void;
}

/** What asks on this desktop; undefined if there is none, or no program to ask with. */
export function desktopPrompter(options: DesktopOptions): ApprovalPrompter | undefined {
  const { env, platform = process.platform, failed } = options;
  if (platform !== "darwin" && !env.DISPLAY && !env.WAYLAND_DISPLAY) return undefined;
  const dialog = dialogs.find(
    ({ program, platforms }) => platforms.includes(platform) && isThere(program, env),
  );
  if (!dialog) return undefined;
  const turns = new PromptQueue();
  return (question, answer) => {
    const unheard = () => failed(question);
    return turns.take((done) => ask(dialog, env, question, { answer, unheard, done }));
  };
}

/** One dialog at a time: several windows at once are answered by mistake. */
class PromptQueue {
  readonly #waiting: (() => void)[] = [];
  #busy = false;

  /** `begin` gets what ends its turn, and returns what ends it early; so does this. */
  take(begin: (done: () => void) => () => void): () => void {
    let end: (() => void) | undefined;
    const start = () => {
      this.#busy = true;
      end = begin(() => this.#next());
    };
    if (this.#busy) this.#waiting.push(start);
    else start();
    return () => {
      const index = this.#waiting.indexOf(start);
      if (index >= 0) this.#waiting.splice(index, 1);
      else end?.();
    };
  }

  #next(): void {
    this.#busy = false;
    this.#waiting.shift()?.();
  }
}

interface Ends {
  answer: (answer: Answer) => void;
  /** Nobody saw it. */
  unheard: () => void;
  /** Its window is gone; called once. */
  done: () => void;
}

function ask(
  { program, args, read }: Dialog,
  env: Env,
  question: PendingApproval,
  { answer, unheard, done }: Ends,
): () => void {
  const choices = [...question.choices, "no" as const].map((one) => ({
    answer: one,
    label: ANSWERS[one],
  }));
  let child: ChildProcess | undefined;
  let wanted = true;
  const show = async () => {
    const { spawn } = await import("node:child_process");
    if (!wanted) return done();
    const began = performance.now();
    child = spawn(program, args(textOf(question), choices), {
      env: cleanEnvironment(env),
      stdio: ["ignore", "pipe", "ignore"],
    });
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(0, 1_000);
    });
    // "close" comes after it.
    child.on("error", () => {});
    child.on("close", (code) => {
      const chosen = code === 0 ? read(stdout, choices) : undefined;
      const closed = code === 0 || (code === 1 && performance.now() - began > MIN_ANSWER_MS);
      if (wanted) {
        wanted = false;
        if (chosen) answer(chosen.answer);
        // Closed, or confirmed without a choice.
        else if (closed) answer("no");
        else unheard();
      }
      done();
    });
  };
  void show();
  return () => {
    wanted = false;
    if (child) endProgram(child, "SIGTERM");
  };
}

function textOf(question: PendingApproval): string {
  return [`${sentenceOf(question)}.`, "", ...detailsOf(question)].join("\n");
}

/** Both toolkits take tags, entities and backslashes for more than text: look-alikes stand in. */
function asText(text: string): string {
  return text.replace(/&/g, "＆").replace(/</g, "‹").replace(/>/g, "›").replace(/\\/g, "＼");
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
