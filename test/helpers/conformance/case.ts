import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../sources.ts";

/** The abilities of a client that not every language's has; test/conformance/README.md explains them. */
export type Feature = "concurrent" | "cancel" | "stream" | "upload" | "duplex" | "subscribe";

/** How the bytes of a message are written. */
export interface Writing {
  cut?: number;
  style?: "odd";
  hold?: boolean;
}

export type Command = Record<string, unknown> & { call: number; do: string };

type Outcome = { result: object } | { error: object };

/** One step of a case; test/conformance/README.md explains each. */
export type Step =
  | { client: Command }
  | { receive: Pattern; as?: string }
  | ({ answer: string } & Outcome & Writing)
  | ({ notify: string; params: object; of?: string } & Writing)
  | { take: object; as: string; body: string }
  | { open: object; as: string }
  | { parts: string; until: string; last?: boolean; as: string }
  | { cancelled: string }
  | { sameConnection: string[] }
  | { message: object }
  | { rawAnswer: string; result: string }
  | { rawHalf: string }
  | { chunks: string; of: string; times: number }
  | { refuse: string }
  | { answerless: object }
  | { disconnect: true }
  | { deaf: true }
  | { stop: true }
  | { start: true }
  | { raw: string }
  | { pause: number }
  | { expect: Expected };

export interface Pattern {
  method: string;
  params?: object;
}

export interface Expected {
  call?: number;
  result?: object;
  error?: object;
  head?: object;
  body?: string;
  notification?: string;
  params?: object;
}

export interface Case {
  name: string;
  needs?: Feature[];
  steps: Step[];
}

/** Reads a file of cases with its long texts written out. `values` stand for `${NAME}` in them. */
export function readCases(file: string, values: Readonly<Record<string, string>> = {}): Case[] {
  const text = readFileSync(join(ROOT, "test/conformance", file), "utf8");
  const cases = written(JSON.parse(text), values) as (Case & { steps: (Step | Each)[] })[];
  return cases.map((one) => ({ ...one, steps: one.steps.flatMap(repeated) }));
}

/** Steps that are carried out once for each of some words, with the word in the place of its name. */
interface Each {
  each: string;
  of: string[];
  steps: Step[];
}

function repeated(step: Step | Each): Step[] {
  if (!("each" in step)) return [step];
  const { each, of, steps } = step;
  return of.flatMap((word) => written(steps, { [each]: word }) as Step[]);
}

function written(value: unknown, values: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string")
    return value.replace(/\$\{(\w+)\}/g, (all, name) => values[name] ?? all);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => written(one, values));
  const { $repeat, $base64, times } = value as {
    $repeat?: string;
    $base64?: unknown;
    times?: number;
  };
  if ($repeat !== undefined) return $repeat.repeat(times ?? 1);
  if ($base64 !== undefined)
    return Buffer.from(written($base64, values) as string).toString("base64");
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, written(member, values)]),
  );
}
