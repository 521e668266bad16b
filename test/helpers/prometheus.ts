/** One sample of the text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const LABEL = new RegExp(`(${NAME})="((?:[^"\\\\]|\\\\.)*)"(?:,|$)`, "g");

/**
 * Prometheus' text format 0.0.4, strictly: throws at a line that is none of it, a family without
 * HELP and TYPE, a sample twice, and a name that promtool's linter would not like.
 */
export function parseMetrics(text: string): Sample[] {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split("\n")) {
    const [, keyword, family = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (line === "") continue;
    if (keyword === "HELP") helps.add(family);
    else if (keyword === "TYPE") types.set(family, rest);
    else samples.push(sampleOf(line, types, seen));
  }
  for (const [family, type] of types) {
    if (!helps.has(family)) throw new Error(`${family} has no HELP`);
    checkFamily(family, type);
  }
  return samples;
}

function checkFamily(family: string, type: string): void {
  if ((type === "counter") !== family.endsWith("_total")) throw new Error(`${family} is a ${type}`);
  if (!/^[a-z]+_[a-z_]+$/.test(family)) throw new Error(`${family} is no good name`);
}

function sampleOf(line: string, types: Map<string, string>, seen: Set<string>): Sample {
  const [, name = "", inside = "", number = ""] = SAMPLE.exec(line) ?? [];
  const value = Number(number.replace("+Inf", "Infinity"));
  if (name === "" || Number.isNaN(value)) throw new Error(`no sample: ${line}`);
  const family = name.replace(/_(bucket|sum|count)$/, "");
  if (!types.has(name) && types.get(family) !== "histogram") throw new Error(`no TYPE: ${line}`);
  if (inside.replace(LABEL, "") !== "") throw new Error(`no labels: ${line}`);
  const labels = Object.fromEntries(
    Array.from(inside.matchAll(LABEL), ([, key = "", text = ""]) => [key, text]),
  );
  const key = `${name}${JSON.stringify(labels)}`;
  if (seen.has(key)) throw new Error(`twice: ${line}`);
  seen.add(key);
  return { name, labels, value };
}

/** The value of the one sample that has this name and these labels, perhaps among others. */
export function valueIn(
  samples: readonly Sample[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const fits = (sample: Sample) =>
    sample.name === name &&
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
  return samples.find(fits)?.value;
}
