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
  sent: z._default(
    z.strictObject({
      method: z.optional(any),
      /** With the query. */
      path: z.optional(any),
      /** These headers; null: it must not be there. */
      headers: z.optional(table),
      /** The whole form. */
      form: z.optional(table),
      /** The whole body as JSON. */
      json: z.optional(any),
      body: z.optional(any),
    }),
    {},
  ),
  answer: z.union([
    z.strictObject({
      status: z._default(z.int(), 200),
      headers: z._default(z.record(z.string(), z.union([z.string(), texts])), {}),
      json: z.optional(any),
      body: z.optional(z.string()),
    }),
    /** Exact bytes (Latin-1), after which the connection ends. */
    z.strictObject({ raw: z.string() }),
  ]),
});

const failure = z.strictObject({ reason: z.string(), says: z._default(texts, []) });

const exchanges = z._default(z.array(exchangeSchema), []);

const habit = z.strictObject({
  name: z.nonEmpty,
  file: z.union([table, texts]),
  secrets: z._default(z.record(z.string(), z.string()), {}),
  issuer: exchanges,
  api: exchanges,
  other: exchanges,
  named: z._default(z.record(z.string(), z.array(exchangeSchema)), {}),
  refused: z.optional(texts),
  add: z._default(z.strictObject({ gives: z.optional(table), fails: z.optional(failure) }), {}),
  calls: z._default(
    z.array(
      z.strictObject({
        call: z.string(),
        with: z._default(table, {}),
        gives: z.optional(table),
        fails: z.optional(failure),
      }),
    ),
    [],
  ),
  shows: z._default(table, {}),
  problem: z.optional(texts),
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
