import type { ChildProcess } from "node:child_process";
import { cleanEnvironment, runProgram } from "../base/child.ts";
import type { Log } from "../base/log.ts";
import { stripControlChars } from "../base/terminal-safe.ts";
import { Turns } from "../base/turns.ts";
import type { Attention } from "./hook.ts";

/** A desktop notification. */
export interface Note {
  title: string;
  body: string;
}

/** A program that shows a notification, whose text is in arguments or variables, never in a script. */
interface Notifier {
  command: readonly string[];
  env?: Record<string, string>;
}

const TIMEOUT_MS = 10_000;
/** Limit of the body, in characters. */
const MAX_BODY_LENGTH = 300;
/** Number of names in a notification about several credentials. */
const MAX_NAMES = 3;

/** For each platform, programs that show a notification; the first that is installed is used. */
export const NOTIFIERS: Partial<Record<NodeJS.Platform, (note: Note) => readonly Notifier[]>> = {
  linux: ({ title, body }) => [
    {
      command: [
        ...["notify-send", "--app-name=authd", "--icon=dialog-password", "--urgency=normal"],
        // A body may have markup (Desktop Notifications Specification): this text is escaped.
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

/** True if there is a desktop session. */
export function hasDesktop(env: NodeJS.ProcessEnv, platform = process.platform): boolean {
  if (platform === "darwin" || platform === "win32") return true;
  return Boolean(env.DBUS_SESSION_BUS_ADDRESS || env.DISPLAY || env.WAYLAND_DISPLAY);
}

/** Builds one notification for all problems. */
export function noteOf(problems: readonly Attention[]): Note {
  const [first, ...others] = problems;
  if (!first) return { title: "authd", body: "" };
  if (others.length === 0) {
    const about = first.credential ?? "the vault";
    const body = `${cut(stripControlChars(first.message), MAX_BODY_LENGTH - 100)}\nNext: ${stripControlChars(first.help)}`;
    return { title: `authd: ${about} needs you`, body };
  }
  const names = [...new Set(problems.map(({ credential }) => credential ?? "the vault"))];
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : "";
  const named = `${names.slice(0, MAX_NAMES).join(", ")}${more}`;
  const title =
    names.length === 1
      ? `authd: ${names[0]} needs you`
      : `authd: ${names.length} credentials need you`;
  return { title, body: cut(`${named}\nNext: authd status`, MAX_BODY_LENGTH) };
}

/** Shows notifications on the desktop of this machine, one after the other. */
export class Desktop {
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Log;
  readonly #platform: NodeJS.Platform;
  readonly #turns = new Turns();
  #hasLoggedFailure = false;
  #running: ChildProcess | undefined;
  #closed = false;

  constructor(env: NodeJS.ProcessEnv, log: Log, platform: NodeJS.Platform = process.platform) {
    this.#env = env;
    this.#log = log;
    this.#platform = platform;
  }

  show(problems: readonly Attention[]): void {
    const note = noteOf(problems);
    void this.#turns.run(() => this.#show(note));
  }

  /** Shows nothing more. The daemon's end does not wait for a notification. */
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
        timeoutMs: TIMEOUT_MS,
        onStart: (child) => {
          this.#running = child;
        },
      });
      this.#running = undefined;
      if (ended.how === "exit" && ended.code === 0) return;
    }
    if (this.#hasLoggedFailure) return;
    this.#hasLoggedFailure = true;
    this.#log.debug({}, "no program of this desktop shows notifications");
  }
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Formats a string as GVariant text, which is what gdbus parses. */
function variant(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;
}

function cut(text: string, maxLength: number): string {
  const characters = [...text];
  return characters.length <= maxLength ? text : `${characters.slice(0, maxLength - 1).join("")}…`;
}
