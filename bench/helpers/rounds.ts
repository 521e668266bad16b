import { number } from "./amounts.ts";

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** `share` in [0, 1]. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

export interface Compared {
  /** The median of the rounds. */
  value: number;
  least: number;
  /** The median of each round's ratio to the first measure of the same round. */
  ratio: number;
  /** "0.93–1.10": the middle half of those ratios. */
  spread: string;
}

/**
 * Measures everything once a round, in turn, each round beginning with another one: what the
 * machine does beside it then falls on all of them, and a ratio says more than either number.
 */
export async function compare<Name extends string>(
  rounds: number,
  measures: Record<Name, () => Promise<number>>,
): Promise<Record<Name, Compared>> {
  const names = Object.keys(measures) as Name[];
  const values: Record<Name, number>[] = [];
  for (let round = 0; round < rounds; round++) {
    const found = {} as Record<Name, number>;
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length]!;
      found[name] = await measures[name]();
    }
    values.push(found);
  }
  const compared = {} as Record<Name, Compared>;
  for (const name of names) {
    const ratios = values.map((found) => found[name] / found[names[0]!]);
    compared[name] = {
      value: median(values.map((found) => found[name])),
      least: Math.min(...values.map((found) => found[name])),
      ratio: median(ratios),
      spread: `${number(percentile(ratios, 0.25))}–${number(percentile(ratios, 0.75))}`,
    };
  }
  return compared;
}
