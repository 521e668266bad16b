import type { Command } from "commander";
import type { Reporting, State, StatusResult } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { credentialTable, NO_CREDENTIALS, STATES } from "./credentials.ts";
import { columns, print, printJson } from "./output.ts";
import { type Paint, painter, plain } from "./style.ts";
import { duration } from "./times.ts";

/** Lines of what is to be done. */
const MOST_PROBLEMS = 20;

interface StatusOptions {
  watch?: boolean;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .option("-w, --watch", "stay, and show every change (in a pipe: a line a change)")
    .option("--json", "for programs; with --watch a JSON object a line")
    .action(status);
}

export const examples = ["authd status", "authd status --watch"];

async function status({ watch = false, json = false }: StatusOptions): Promise<void> {
  if (watch && !json && process.stdout.isTTY) return (await import("./watch.ts")).watch();
  if (watch) return (await import("./follow.ts")).follow(json);
  const daemon = await callDaemon("status", {});
  const { credentials } = await callDaemon("credentials/list", {});
  if (json) return printJson({ daemon, credentials });
  const now = Date.now();
  const paint = painter(process.stdout);
  print(headline(daemon, now), paint("dim", `listening on ${plain(daemon.socket)}`));
  print(
    ...inMemoryOnly(daemon, paint),
    ...outlets(daemon.reporting, paint),
    ...locking(daemon, paint),
    "",
  );
  if (credentials.length === 0) print(NO_CREDENTIALS);
  else print(...credentialTable(credentials, now, paint, columns()));
  print(...summary(daemon, paint));
}

/** How many are in which state, and what needs a person; nothing where all is well with a few. */
export function summary({ states = {}, problems = [], credentials }: StatusResult, paint: Paint) {
  const counts = (Object.keys(STATES) as State[]).flatMap((state) => {
    const count = states[state];
    return count ? [`${count} ${STATES[state].words}`] : [];
  });
  const few = credentials <= 4 && problems.length === 0;
  return [
    ...(few ? [] : ["", counts.join(" · ")]),
    ...(problems.length === 0 ? [] : ["", paint("bold", `${problems.length} to do:`)]),
    ...problems
      .slice(0, MOST_PROBLEMS)
      .map(
        ({ reason, help, credential = reason === "audit" ? "the audit log" : "the vault" }) =>
          `  ${paint("red", plain(credential))} (${reason}): ${plain(help)}`,
      ),
    ...(problems.length > MOST_PROBLEMS
      ? [paint("dim", `  … ${problems.length - MOST_PROBLEMS} more; --json has all`)]
      : []),
  ];
}

/** The ways out that do not work. */
function outlets(reporting: Reporting | undefined, paint: Paint): string[] {
  const { hook, metricsFile, metricsListen } = reporting ?? {};
  return [hook, metricsFile, metricsListen].flatMap((outlet) =>
    outlet?.error === undefined
      ? []
      : [paint("yellow", `▲ ${plain(outlet.to)}: ${plain(outlet.error)}`)],
  );
}

/** That the vault is locked, and what should lock it and does not work. */
function locking({ lock }: StatusResult, paint: Paint): string[] {
  if (!lock) return [];
  const { locked, why = "", problem, on } = lock;
  const troubles = [...(problem ? [problem] : []), ...on.flatMap(({ error }) => error ?? [])];
  return [
    ...(locked ? [paint("yellow", `▲ locked: ${plain(why)}`)] : []),
    ...[...new Set(troubles)].map((text) =>
      paint("yellow", `▲ lock_after, lock_on: ${plain(text)}`),
    ),
  ];
}

/** Said before all else: what the disk does not take. */
function inMemoryOnly({ unsaved = [] }: StatusResult, paint: Paint): string[] {
  if (unsaved.length === 0) return [];
  const names = plain(unsaved.join(", "));
  return [
    paint("red", `✖ in memory only, since the disk does not take it: ${names}; see authd doctor`),
  ];
}

/** The daemon on one line. */
export function headline(daemon: StatusResult, now: number): string {
  return [
    `authd ${plain(daemon.version)}`,
    `pid ${daemon.pid}`,
    `up ${duration(now - daemon.startedAt)}`,
    counted(daemon.credentials, "credential"),
    counted(daemon.connections, "connection"),
    `key: ${plain(daemon.vaultKey)}`,
  ].join(" · ");
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
