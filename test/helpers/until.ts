import { setTimeout as sleep } from "node:timers/promises";

type Condition = boolean | undefined;

/** Far longer than anything takes on a loaded machine; far shorter than a run that hangs. */
const LIMIT_MS = 60_000;

/**
 * Waits, in real time, for something that real I/O or another process brings about. Rejects after a
 * minute, with the condition's own text unless there is a `message`.
 */
export async function until(
  happened: () => Condition | Promise<Condition>,
  { message = `${happened}`, limitMs = LIMIT_MS }: { message?: string; limitMs?: number } = {},
): Promise<void> {
  // Made here: it tells which line of which test waits.
  const late = new Error(`not within ${limitMs / 1_000} s: ${message}`);
  const end = performance.now() + limitMs;
  for (let pauseMs = 1; !(await happened()); pauseMs = Math.min(20, 2 * pauseMs)) {
    if (performance.now() > end) throw late;
    await sleep(pauseMs);
  }
}
