import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { PracticeName } from "./index.ts";
import { interruptible } from "./interrupt.ts";
import type { Playground } from "./playground.ts";
import { steps, type Tour } from "./tour-steps.ts";

/** Token lifetimes in seconds. One API's are so short that the tour sees a refresh ahead of the expiry. */
export const TOUR_LIFETIMES: Record<PracticeName, number> = {
  labelf: 600,
  onestepai: 10,
  zebbra: 600,
  realtyna: 600,
};

export interface StepResult {
  title: string;
  ok: boolean;
  /** What the step observed, or its error. */
  detail: string;
  ms: number;
}

/** Runs every step, also after one that failed. Rejects only if `signal` is aborted. */
export async function* walk(
  playground: Playground,
  signal: AbortSignal,
): AsyncGenerator<StepResult> {
  const tour: Tour = {
    ...playground,
    tokens: new Set(),
    until: (...args) => until(signal, ...args),
  };
  for (const { title, run } of steps) {
    const start = performance.now();
    const outcome = await interruptible(run(tour), signal).then(
      (detail) => ({ ok: true, detail }),
      (error: unknown) => {
        signal.throwIfAborted();
        return { ok: false, detail: messageOf(error) };
      },
    );
    yield { title, ...outcome, ms: Math.round(performance.now() - start) };
  }
}

async function until(
  signal: AbortSignal,
  what: string,
  ms: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${ms / 1000} s for ${what}`);
    await sleep(50, undefined, { signal });
  }
}
