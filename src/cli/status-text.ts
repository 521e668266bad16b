/** Lines of `authd status`. */
import type { Reporting, State, StatusResult } from "../protocol.ts";
import { STATES } from "./credentials.ts";
import { type Paint, plain } from "./style.ts";
import { duration } from "./times.ts";

const MAX_PROBLEM_LINES = 20;

/** Counts credentials by state, and lists what needs a person; empty where all is well with a few. */
export function problemLines(
  { states = {}, problems = [], credentials }: StatusResult,
  paint: Paint,
) {
  const counts = (Object.keys(STATES) as State[]).flatMap((state) => {
    const count = states[state];
    return count ? [`${count} ${STATES[state].words}`] : [];
  });
  const few = credentials <= 4 && problems.length === 0;
  return [
    ...(few ? [] : ["", counts.join(" · ")]),
    ...(problems.length === 0 ? [] : ["", paint("bold", `${problems.length} to do:`)]),
    ...problems
      .slice(0, MAX_PROBLEM_LINES)
      .map(
        ({ reason, help, credential = reason === "audit" ? "the audit log" : "the vault" }) =>
          `  ${paint("red", plain(credential))} (${reason}): ${plain(help)}`,
      ),
    ...(problems.length > MAX_PROBLEM_LINES
      ? [paint("dim", `  … ${problems.length - MAX_PROBLEM_LINES} more; --json has all`)]
      : []),
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
