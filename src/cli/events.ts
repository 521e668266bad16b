import type { Command } from "commander";
import { omitUndefined } from "../base/omit-undefined.ts";
import { parseDuration } from "../base/parse-duration.ts";
import { AuthdError } from "../errors.ts";
import type { DaemonEvent, EventsResult } from "../protocol.ts";
import { callDaemon, connectionLost, connectToDaemon } from "./call-daemon.ts";
import { STATES } from "./credentials.ts";
import { print, printJson } from "./output.ts";
import { type Paint, painter, plain, type Style } from "./style.ts";
import { duration, fromNow, moment } from "./times.ts";

interface EventsOptions {
  follow?: boolean;
  json?: boolean;
  credential?: string;
  since?: string;
}

export function define(command: Command): void {
  command
    .option("-f, --follow", "stay, and show what happens next")
    .option("--json", "for programs; with --follow a JSON object a line")
    .option("--credential <name>", "of one credential only")
    .option("--since <duration>", "only the last 90s, 30m, 1h, 2d")
    .action(events);
}

export const examples = ["authd events --since 1h", "authd events --follow --credential labelf"];

async function events({ follow: stay, json = false, ...rest }: EventsOptions): Promise<void> {
  const query = {
    ...omitUndefined({
      credential: rest.credential,
      since: rest.since === undefined ? undefined : Date.now() - lengthOf(rest.since),
    }),
  };
  if (stay) return await follow(query, json);
  const result = await callDaemon("events", query);
  if (json) return printJson(result);
  const paint = painter(process.stdout);
  print(...result.events.map((event) => line(event, paint)), paint("dim", reach(result)));
}

/** Prints the past events, then each new one: none is missing, and none comes twice. */
async function follow(query: { credential?: string; since?: number }, json: boolean) {
  const connection = await connectToDaemon();
  const ended = new Promise<void>((resolve) => {
    connection.onClose = resolve;
  });
  connection.hold(true);
  const paint = painter(process.stdout);
  const show = (event: DaemonEvent) => print(json ? JSON.stringify(event) : line(event, paint));
  const early: DaemonEvent[] = [];
  connection.onNotification = (_name, event) => void early.push(event as DaemonEvent);
  const { credential } = query;
  const which = omitUndefined({ credential });
  await connection.request("subscribe", { ...which, events: true });
  const past = (await connection.request("events", query)) as EventsResult;
  for (const event of past.events) show(event);
  const last = past.events.at(-1)?.seq ?? -1;
  for (const event of early) if (event.seq > last) show(event);
  connection.onNotification = (_name, event) => show(event as DaemonEvent);
  await ended;
  throw connectionLost();
}

/** From when on something is known. */
function reach({ startedAt, dropped }: EventsResult): string {
  const since = `since the daemon's start, ${fromNow(startedAt, Date.now())}`;
  return dropped === 0 ? `That is all ${since}.` : `${dropped} older ones ${since}, are forgotten.`;
}

/** "90s", "30m", "1h", "2d" in milliseconds. */
export function lengthOf(text: string, option = "--since"): number {
  const length = parseDuration(text);
  if (length !== undefined) return length;
  throw new AuthdError(
    "invalid_params",
    `${option} takes a length of time, such as 1h, not "${text}"`,
  );
}

type Told = { style?: Style; words: (event: DaemonEvent) => string };

/** Text for each kind of event, which follows the credential's name. */
const TOLD: Readonly<Record<DaemonEvent["kind"], Told>> = {
  started: { style: "bold", words: ({ message = "" }) => `started: ${message}` },
  stopping: { style: "bold", words: () => "stopping" },
  reloaded: { words: ({ message = "" }) => `settings read again: ${message}` },
  clock_jumped: { style: "yellow", words: ({ message = "" }) => `clock: ${message}` },
  vault_locked: { style: "red", words: ({ message = "" }) => `vault locked: ${message}` },
  vault_unlocked: { style: "green", words: () => "vault open" },
  added: { words: () => "added" },
  signed_in: { words: ({ message }) => (message ? `signed in as ${message}` : "signed in") },
  signed_out: { words: ({ message }) => `signed out: ${message}` },
  set: { words: ({ message = "" }) => `changed: ${message}` },
  trusted: { words: () => "its file is trusted" },
  removed: { words: () => "removed" },
  tested: { words: ({ message }) => message ?? "its test works again" },
  token_file: { words: ({ message = "" }) => message },
  refreshed: {
    style: "green",
    words: ({ first, tookMs, expiresAt, at }) =>
      `${first ? "token obtained" : "token refreshed"}${took(tookMs)}${lasts(expiresAt, at)}`,
  },
  refresh_failed: {
    style: "yellow",
    words: ({ reason, message, retryAt, at }) =>
      `refresh failed (${reason}): ${message}${
        retryAt === undefined ? " Not tried again" : ` Next try in ${duration(retryAt - at)}`
      }`,
  },
  issuer_back: { style: "green", words: ({ message = "" }) => `issuer ${message}` },
  state: {
    words: ({ before, state = "idle", reason }) =>
      `${before ? `${STATES[before].words} → ` : ""}${STATES[state].words}${reason ? ` (${reason})` : ""}`,
  },
  unsaved: { style: "red", words: ({ message = "" }) => message },
  sealed: { style: "green", words: ({ message = "" }) => message },
  manifest_rebuilt: { style: "yellow", words: ({ message = "" }) => message },
  audit_failed: { style: "red", words: ({ message = "" }) => message },
  audit_written: { style: "green", words: () => "the audit log can be written again" },
  problem: { style: "red", words: ({ reason, message }) => `needs you (${reason}): ${message}` },
  resolved: { style: "green", words: ({ reason }) => `needs you no more (${reason})` },
};

/** Formats an event as one line. */
export function line(event: DaemonEvent, paint: Paint): string {
  const { style, words } = TOLD[event.kind] ?? { words: () => event.kind };
  const said = plain(words(event));
  const name = event.credential === undefined ? "authd" : plain(event.credential);
  return `${paint("dim", moment(event.at))} ${paint("bold", name)} ${style ? paint(style, said) : said}`;
}

function took(ms: number | undefined): string {
  return ms === undefined ? "" : ` in ${ms} ms`;
}

function lasts(expiresAt: number | null | undefined, at: number): string {
  return expiresAt === null || expiresAt === undefined
    ? ""
    : `, good for ${duration(expiresAt - at)}`;
}
