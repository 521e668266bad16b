import type { Problem, Reporting, State, StatusResult } from "../../protocol.ts";
import { STATES } from "../credentials.ts";
import { type Paint, plain } from "../style.ts";
import { duration } from "../times.ts";

/** Problems that are listed. */
const MAX_PROBLEM_LINES = 20;

/** Describes the daemon on one line. */
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

/** Tells how many credentials are in which state; empty without any. */
export function stateCounts({ states = {} }: StatusResult): string {
  return (Object.keys(STATES) as State[])
    .flatMap((state) => (states[state] ? [`${states[state]} ${STATES[state].words}`] : []))
    .join(" · ");
}

/** Names what a problem without a credential is about; the others are about the vault. */
const PLACES: Partial<Record<Problem["reason"], string>> = {
  audit: "the audit log",
  hook: "the hook",
  socket: "a socket",
};

/** Tells whom a problem concerns, why, and what helps. */
export function problemLine({ credential, reason, help }: Problem, paint: Paint): string {
  const whom = credential ?? PLACES[reason] ?? "the vault";
  return `${paint("red", `✖ ${plain(whom)}`)} (${reason}): ${plain(help)}`;
}

/** Lists what needs a person, each with what helps; a terminal wraps the commands, which are to be copied. */
export function problemLines({ problems = [] }: StatusResult, paint: Paint): string[] {
  if (problems.length === 0) return [];
  const more = problems.length - MAX_PROBLEM_LINES;
  return [
    "",
    paint("bold", `${problems.length} to do:`),
    ...problems.slice(0, MAX_PROBLEM_LINES).map((problem) => `  ${problemLine(problem, paint)}`),
    ...(more > 0 ? [paint("dim", `  … ${more} more; --json has all`)] : []),
  ];
}

/** Lists the hook and the metrics that do not work. */
export function reportingLines(reporting: Reporting | undefined, paint: Paint): string[] {
  const { hook, metricsFile, metricsListen } = reporting ?? {};
  return [hook, metricsFile, metricsListen].flatMap((outlet) =>
    outlet?.error === undefined
      ? []
      : [paint("yellow", `▲ ${plain(outlet.to)}: ${plain(outlet.error)}`)],
  );
}

/** Reports that the vault is locked, and why automatic locking does not work. */
export function lockLines({ lock }: StatusResult, paint: Paint): string[] {
  if (!lock) return [];
  const { locked, why = "", problem, on } = lock;
  const failures = [...(problem ? [problem] : []), ...on.flatMap(({ error }) => error ?? [])];
  return [
    ...(locked ? [paint("yellow", `▲ locked: ${plain(why)}`)] : []),
    ...[...new Set(failures)].map((text) =>
      paint("yellow", `▲ lock_after, lock_on: ${plain(text)}`),
    ),
  ];
}

/** Reports what the disk does not take; printed before everything else. */
export function unsavedLines({ unsaved = [] }: StatusResult, paint: Paint): string[] {
  if (unsaved.length === 0) return [];
  const names = plain(unsaved.join(", "));
  return [
    paint("red", `✖ in memory only, since the disk does not take it: ${names}; see authd doctor`),
  ];
}
