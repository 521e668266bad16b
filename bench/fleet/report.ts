/** What was seen of a fleet, against what it must hold. */
import { number } from "../helpers/amounts.ts";
import type { Row } from "../helpers/row.ts";
import type { Programs } from "./programs.ts";
import type { Outcome } from "./run.ts";

/** How many refreshes more than one daemon alone there may be. */
const MOST_REFRESHES = 1.02;

/** So many refreshes tell how many there are. */
const ENOUGH = 40;

const none = { unit: "", most: 0 };

/** Rows of a run; `alone` are the times (ms) between two refreshes by one daemon alone. */
export function rowsOf(outcome: Outcome, alone: readonly number[]): Row[] {
  const { programs } = outcome;
  return [...lossRows(outcome), ...(programs ? programRows(outcome, programs, alone) : [])];
}

function programRows(
  { intervals }: Outcome,
  { wrong, served, refusals }: Programs,
  alone: readonly number[],
): Row[] {
  const refused = [...refusals].map(([reason, times]) => `${times} × ${reason}`);
  const every = (times: readonly number[]) =>
    `every ${number(mean(times) / 1_000)} s, ${times.length} in all`;
  return [
    {
      what: "refreshes of a credential, of one daemon's alone",
      measured: mean(alone) / mean(intervals),
      // Few say nothing of so small a share.
      ...(intervals.length >= ENOUGH && { most: MOST_REFRESHES }),
      detail: `${every(intervals)}; alone ${every(alone)}`,
    },
    {
      what: "tokens handed out that had ended, or that nobody made",
      measured: wrong,
      ...none,
      detail: `${served} were good; ${refused.join(", ") || "nobody was refused"}`,
    },
  ];
}

function lossRows(outcome: Outcome): Row[] {
  const { doubles, repeated, lost, lostInWindow, asked, broken, settledMs } = outcome;
  return [
    {
      what: "refresh tokens spent twice",
      measured: doubles,
      ...none,
      detail: `${repeated} sent again within a grace`,
    },
    {
      what: "rotations lost outside the window",
      measured: lost.length,
      ...none,
      detail: [...lost, `${lostInWindow} in it`, `a person was asked ${asked} times`].join(", "),
    },
    {
      what: "credentials that do not work on every host afterwards",
      measured: broken.length,
      ...none,
      detail: [...broken, `all looked at in ${number(settledMs / 1_000)} s`].join(", "),
    },
  ];
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
