import type { ChildProcess } from "node:child_process";
import { cleanEnvironment, runProgram } from "../base/child.ts";
import type { Log } from "../base/log.ts";
import { stripControlChars } from "../base/terminal-safe.ts";
import type { Attention } from "./hook.ts";

/** What the desktop shows. */
export interface Note {
  title: string;
  body: string;
}

/** A program that shows a note: the note goes into arguments or variables, never into a script. */
interface Notifier {
  command: readonly string[];
  env?: Record<string, string>;
}

const TIMEOUT = 10_000;
/** Characters of a note's body. */
const LONGEST = 300;
/** Names in a note about several. */
const NAMED = 3;

/** What shows a note, the first that is there: one row a platform. */
export const NOTIFIERS: Partial<Record<NodeJS.Platform, (note: Note) => readonly Notifier[]>> = {
  linux: ({ title, body }) => [
    {
      command: [
        ...["notify-send", "--app-name=authd", "--icon=dialog-password", "--urgency=normal"],
        // A body may have mark-up (Desktop Notifications Specification): this one has none.
        ...["--", title, escaped(body)],
      ],
    },
    {
      command: [
        ...["gdbus", "call", "--session", "--dest=org.freedesktop.Notifications"],
        "--object-path=/org/freedesktop/Notifications",
        ...["--method=org.freedesktop.Notifications.Notify", "--"],
        ...[variant("authd"), "0", variant("dialog-password"), variant(title)],
        ...[variant(escaped(body)), "[]", "{}", "-1"],
      ],
    },
  ],
  darwin: ({ title, body }) => [
    {
      command: [
        ...["osascript", "-e", "on run argv"],
        ...["-e", "display notification (item 2 of argv) with title (item 1 of argv)"],
        ...["-e", "end run", title, body],
      ],
    },
  ],
  win32: ({ title, body }) => [
    {
      command: [
        ...["powershell.exe", "-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden"],
        ...["-Command", BALLOON],
      ],
      env: { AUTHD_TITLE: title, AUTHD_BODY: body },
    },
  ],
};

const BALLOON = [
  "Add-Type -AssemblyName System.Windows.Forms, System.Drawing",
  "$n = New-Object System.Windows.Forms.NotifyIcon",
  "$n.Icon = [System.Drawing.SystemIcons]::Warning",
  "$n.Visible = $true",
  "$n.ShowBalloonTip(8000, $env:AUTHD_TITLE, $env:AUTHD_BODY, 'Warning')",
  "Start-Sleep -Seconds 8",
  "$n.Dispose()",
].join("; ");

/** Whether somebody sits in front of a desktop that notes can be shown on. */
export function hasDesktop(env: NodeJS.ProcessEnv, platform = process.platform): boolean {
  if (platform === "darwin" || platform === "win32") return true;
  return Boolean(env.DBUS_SESSION_BUS_ADDRESS || env.DISPLAY || env.WAYLAND_DISPLAY);
}

/** One note for all of them. */
export function noteOf(problems: readonly Attention[]): Note {
  const [first, ...others] = problems;
  if (!first) return { title: "authd", body: "" };
  if (others.length === 0) {
    const about = first.credential ?? "the vault";
    const body = `${cut(stripControlChars(first.message), LONGEST - 100)}\nNext: ${stripControlChars(first.help)}`;
    return { title: `authd: ${about} needs you`, body };
  }
  const names = [...new Set(problems.map(({ credential }) => credential ?? "the vault"))];
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
  const named = `${names.slice(0, NAMED).join(", ")}${more}`;
  const title =
    names.length === 1
      ? `authd: ${names[0]} needs you`
      : `authd: ${names.length} credentials need you`;
  return { title, body: cut(`${named}\nNext: authd status`, LONGEST) };
}

/** Shows notes on the desktop of this machine, one after the other. */
export class Desktop {
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Log;
  readonly #platform: NodeJS.Platform;
  #turn: Promise<void> = Promise.resolve();
  /** That nothing shows notes here was said. */
  #said = false;
  #running: ChildProcess | undefined;
  #closed = false;

  constructor(env: NodeJS.ProcessEnv, log: Log, platform: NodeJS.Platform = process.platform) {
    this.#env = env;
    this.#log = log;
    this.#platform = platform;
  }

  show(problems: readonly Attention[]): void {
    const note = noteOf(problems);
    this.#turn = this.#turn.then(() => this.#show(note));
  }

  /** The daemon's end does not wait for a note. */
  close(): void {
    this.#closed = true;
    this.#running?.unref();
  }

  async #show(note: Note): Promise<void> {
    if (this.#closed) return;
    const env = cleanEnvironment(this.#env);
    for (const notifier of NOTIFIERS[this.#platform]?.(note) ?? []) {
      const { command } = notifier;
      const ended = await runProgram({
        command,
        env: { ...env, ...notifier.env },
        timeoutMs: TIMEOUT,
        onStart: (child) => {
          this.#running = child;
        },
      });
      this.#running = undefined;
      if (ended.how === "exit" && ended.code === 0) return;
    }
    if (this.#said) return;
    this.#said = true;
    this.#log.debug({}, "no program of this desktop shows notifications");
  }
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A string as GVariant text, which is how gdbus reads its arguments. */
function variant(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;
}

function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
