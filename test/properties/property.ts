import fc from "fast-check";
import type { Scope } from "../helpers/scope.ts";

/** What fast-check can generate, run and shrink. */
export type Checkable = fc.IRawProperty<unknown>;

/** Something that holds for every input. One row of a table in this folder. */
export interface Property {
  name: string;
  /** How many runs are one round: about half a second, or some seconds where there is a disk. */
  runs: number;
  /** Starts what all its runs share. */
  start(scope: Scope): Checkable | Promise<Checkable>;
}

/** A run that takes longer (ms) hangs: nothing here waits for more than loopback and a fast disk. */
const HANGS_AFTER = 20_000;

/** What fast-check says of the first input for which it does not hold: undefined if there is none. */
export async function refute(
  property: Checkable,
  { seed, runs }: { seed: number; runs: number },
): Promise<string | undefined> {
  const about = { seed, numRuns: runs, timeout: HANGS_AFTER, includeErrorInReport: true };
  const details = await fc.check(property, about);
  return details.failed ? await fc.asyncDefaultReportMessage(details) : undefined;
}

/** Throws with what is wrong, for inputs that types alone don't tell about. */
export function demand(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
