/**
 * Feeds authd what nobody would write: every property of test/properties in turn, with new inputs
 * each time, until the time is up. Prints the runs of each; at the first input for which one does not
 * hold, the seed and the smallest such input, with exit code 1.
 *
 *     node dist/bench/fuzz.js [--minutes 10] [--seed N] [--only NAME]
 */
import { parseArgs } from "node:util";
import { properties } from "../test/properties/index.ts";
import { type Checkable, type Property, refute } from "../test/properties/property.ts";

const MINUTE = 60_000;

interface Subject {
  property: Property;
  checkable: Checkable;
  runs: number;
  /** Milliseconds. */
  took: number;
}

/** What was started, the first one first. */
const started: (() => unknown)[] = [];
const scope = { teardown: (putAway: () => unknown) => void started.push(putAway) };

/** What is being fuzzed, for a rejection that nobody handled. */
let current = "";
process.on("unhandledRejection", (error) => {
  fail(
    `${current}: a promise was rejected, and nobody looked:\n${(error as Error)?.stack ?? error}`,
  );
});

function fail(what: string): never {
  process.stdout.write(`${what}\n`);
  process.exit(1);
}

/** One round of one property. */
async function round(subject: Subject, seed: number): Promise<void> {
  const { property, checkable } = subject;
  current = `${property.name}, seed ${seed}`;
  const startedAt = performance.now();
  const report = await refute(checkable, { seed, runs: property.runs });
  subject.took += performance.now() - startedAt;
  subject.runs += property.runs;
  if (report === undefined) return;
  const again = `node dist/bench/fuzz.js --only ${property.name} --seed ${seed}`;
  fail(`${property.name} does not hold after ${subject.runs} runs; again: ${again}\n${report}`);
}

function report(subjects: readonly Subject[]): string {
  const line = (name: string, runs: number | string, seconds: number | string) =>
    `${name.padEnd(24)}${String(runs).padStart(10)}${String(seconds).padStart(10)}\n`;
  const rows = subjects.map(({ property, runs, took }) =>
    line(property.name, runs, Math.round(took / 1_000)),
  );
  return line("property", "runs", "seconds") + rows.join("");
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    only: { type: "string" },
  },
});
const chosen = properties.filter(({ name }) => (values.only ?? name) === name);
if (chosen.length === 0) fail(`There are: ${properties.map(({ name }) => name).join(", ")}`);
const first = Number(values.seed ?? Date.now() % 1_000_000_000);
const endsAt = performance.now() + Number(values.minutes) * MINUTE;
process.stdout.write(`seed ${first}\n`);

const subjects: Subject[] = [];
for (const property of chosen) {
  subjects.push({ property, checkable: await property.start(scope), runs: 0, took: 0 });
}
for (let seed = first; seed === first || performance.now() < endsAt; seed++) {
  for (const subject of subjects) await round(subject, seed);
}
process.stdout.write(report(subjects));
for (const putAway of started.reverse()) await putAway();
process.exit(0);
