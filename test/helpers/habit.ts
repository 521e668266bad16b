/** Reads test/habits/*.json: habits of issuers and APIs as data. docs/presets.md says how to add one. */
import { readdirSync, readFileSync } from "node:fs";
import { parse, stringify } from "smol-toml";
import * as z from "../../src/base/zod.ts";
import { jwt } from "./acquire.ts";

const FOLDER = new URL("../../../test/habits/", import.meta.url);

const any = z.json();
const texts = z.array(z.string());
const table = z.record(z.string(), any);

/** One HTTP request as a server expects it, and what it answers. All of `sent` is optional. */
export const exchangeSchema = z.strictObject({
  sent: z
    .strictObject({
      method: any.optional(),
      /** With the query. */
      path: any.optional(),
      /** These headers; null: it must not be there. */
      headers: table.optional(),
      /** The whole form. */
      form: table.optional(),
      /** The whole body as JSON. */
      json: any.optional(),
      body: any.optional(),
    })
    .default({}),
  answer: z.union([
    z.strictObject({
      status: z.int().default(200),
      headers: z.record(z.string(), z.union([z.string(), texts])).default({}),
      json: any.optional(),
      body: z.string().optional(),
    }),
    /** Exact bytes (Latin-1), after which the connection ends. */
    z.strictObject({ raw: z.string() }),
  ]),
});

const failure = z.strictObject({ reason: z.string(), says: texts.default([]) });

const exchanges = z.array(exchangeSchema).default([]);

const habit = z.strictObject({
  name: z.string().min(1),
  file: z.union([table, texts]),
  secrets: z.record(z.string(), z.string()).default({}),
  issuer: exchanges,
  api: exchanges,
  other: exchanges,
  named: z.record(z.string(), z.array(exchangeSchema)).default({}),
  refused: texts.optional(),
  add: z.strictObject({ gives: table.optional(), fails: failure.optional() }).default({}),
  calls: z
    .array(
      z.strictObject({
        call: z.string(),
        with: table.default({}),
        gives: table.optional(),
        fails: failure.optional(),
      }),
    )
    .default([]),
  shows: table.default({}),
  problem: texts.optional(),
});

export type Habit = z.output<typeof habit>;
export type Exchange = z.output<typeof exchangeSchema>;
export type Failure = z.output<typeof failure>;

/** Reads every row. Throws an Error that names the file, the row and the key that is wrong. */
export function readHabits(): Habit[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
  return files.sort().flatMap((file) => {
    const rows = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as { name?: unknown }[];
    return rows.map((row) => {
      const { data, error } = habit.safeParse(row);
      if (data) return data;
      throw new Error(`test/habits/${file}, "${row.name}": ${error.message}`);
    });
  });
}

/** Returns the text of a row's file. */
export function fileText({ file }: Habit): string {
  return Array.isArray(file) ? `${file.join("\n")}\n` : stringify(file);
}

/** Returns a row's file as a table; undefined if it is no TOML. */
export function fileTable({ file }: Habit): Record<string, unknown> | undefined {
  if (!Array.isArray(file)) return file;
  try {
    return parse(file.join("\n"));
  } catch {
    return undefined;
  }
}

/** Spellings of a time (ms since the epoch) in answers. */
const SPELLINGS: Record<string, (at: number) => string> = {
  seconds: (at) => `${Math.floor(at / 1_000)}`,
  ms: (at) => `${at}`,
  us: (at) => `${at}000`,
  iso: (at) => new Date(at).toISOString(),
  basic: (at) => new Date(at).toISOString().replace(/[-:]|\.\d+/g, ""),
  rfc1123: (at) => new Date(at).toUTCString(),
  jwt: (at) => jwt({ exp: Math.floor(at / 1_000) }),
};

const PLACEHOLDER = /\{(?:(issuer|api|other)|now([+-]\d+) (\w+))\}/g;

/** Fills in `{issuer}`, `{api}`, `{other}` and times such as `{now+3600 iso}` in all texts of `value`. */
export function filledIn<Value>(value: Value, origins: Readonly<Record<string, string>>): Value {
  const fill = (text: string) =>
    text.replace(PLACEHOLDER, (whole, server, seconds, spelling) => {
      if (server !== undefined) return origins[server] ?? whole;
      const spell = SPELLINGS[spelling];
      if (!spell) throw new Error(`${whole}: spellings are ${Object.keys(SPELLINGS).join(", ")}`);
      return spell(Date.now() + 1_000 * Number(seconds));
    });
  const walk = (part: unknown): unknown => {
    if (typeof part === "string") return fill(part);
    if (Array.isArray(part)) return part.map(walk);
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, each]) => [fill(key), walk(each)]));
  };
  return walk(value) as Value;
}
