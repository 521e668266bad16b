/** Finds the known name that is nearest to an unknown one, for "Did you mean". */

/** Returns the candidate nearest to `word`, if it is near enough for a typing mistake. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const typed = word.toLowerCase().slice(0, 64);
  // A third of the word may be wrong: "tokenurl" is token_url, "x" is nothing.
  let budget = Math.max(1, Math.floor(typed.length / 3));
  let nearest: string | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase(), budget);
    if (distance > budget || distance >= candidate.length) continue;
    if (nearest !== undefined && distance === budget) continue;
    nearest = candidate;
    budget = distance;
  }
  return nearest;
}

/** Returns ` Did you mean "x"?`, to append to a sentence, or "". */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const nearest = suggest(word, candidates);
  return nearest === undefined ? "" : ` Did you mean "${nearest}"?`;
}

/** Number of names from which on a guess takes noticeable time. */
const MANY = 500;
/** After such a guess none is made for so many times as long: who asks for name after name would have the thread for it. */
const REST = 300;

/** Guesses at names of many, now and then. */
export class Guesses {
  /** When guesses are made again, ms of `performance.now`. */
  #fromMs = 0;

  /** As the function; "" also where a guess has just taken its time. */
  didYouMean(word: string, names: readonly string[]): string {
    if (names.length < MANY) return didYouMean(word, names);
    const startedAtMs = performance.now();
    if (startedAtMs < this.#fromMs) return "";
    const guess = didYouMean(word, names);
    const endedAtMs = performance.now();
    this.#fromMs = endedAtMs + REST * (endedAtMs - startedAtMs);
    return guess;
  }
}

/**
 * Counts the edits (insert, delete, replace, swap of two neighbours) that turn `a` into `b`: the optimal
 * string alignment distance. Gives up above `limit`, and returns a greater number.
 */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        above[column]! + 1,
        current[column - 1]! + 1,
        above[column - 1]! + (same ? 0 : 1),
      );
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && swapped) cost = Math.min(cost, before[column - 2]! + 1);
      current.push(cost);
    }
    before = above;
    above = current;
  }
  return above[b.length]!;
}
