/** Counts what happened, and keeps the first of what must not happen. */
export class Tally {
  readonly counts = new Map<string, number>();
  readonly most = new Map<string, number>();
  readonly violations: string[] = [];
  violationCount = 0;
  /** Told of each as it is found. */
  onViolation: (text: string) => void = () => {};

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  peak(what: string, value: number): void {
    this.most.set(what, Math.max(this.most.get(what) ?? 0, value));
  }

  violation(truth: number, text: string): void {
    this.violationCount++;
    const line = `${age(truth)} ${text}`;
    if (this.violations.length < 40) this.violations.push(line);
    this.onViolation(line);
  }

  /** Lines to print. */
  report(): string {
    const rows = [
      ...this.counts,
      ...[...this.most].map(([what, value]) => [`most ${what}`, value]),
    ];
    const lines = rows
      .map(([what, value]) => [String(what), Number(value).toLocaleString("en")] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, value]) => `${what.padEnd(52)} ${value.padStart(12)}`);
    const found = this.violations.map((text) => `VIOLATION ${text}`);
    const more = this.violationCount - this.violations.length;
    if (more > 0) found.push(`… and ${more} more violations`);
    return [...lines, ...found, ""].join("\n");
  }
}

/** "12d 03:04:05.678" */
function age(ms: number): string {
  const days = Math.floor(ms / 86_400_000);
  return `${days}d ${new Date(Math.floor(ms) - days * 86_400_000).toISOString().slice(11, 23)}`;
}
