/** Adds the `[[allow]]` rule that an answer of "always" stands for to the text of a credential file. */
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "smol-toml";
import { AuthdError } from "../errors.ts";
import { type Table, toJsonTable } from "./json-table.ts";

/** A use that a person has allowed for always. */
export interface Allowance {
  /** Absolute path of the program, links resolved. */
  executable: string;
  /** The use that it asked for: the token itself, or only requests. */
  kind: "token" | "request";
  /** Index of the rule that wanted a person asked, among the file's; undefined: the file has none. */
  asking: number | undefined;
}

/** An "always", for a credential file. `rule` is the name of the rule that wanted a person asked. */
export interface NewAllowRule extends Pick<Allowance, "executable" | "kind"> {
  rule: string;
}

const HEADER = /^[ \t]*\[\[[ \t]*(allow|"allow"|'allow')[ \t]*\]\]/gm;
const BY_A_PERSON = "# A person allowed this for always.";
const FOR_THE_REST = "# Everybody else is asked, as before.";

/**
 * Returns the file's text with one more rule, all else as it is. It stands right before the rule that
 * asked, whose limits it keeps. In a file without rules a second one lets everybody else in as before:
 * callers that no rule names would be refused. Throws AuthdError `invalid_params` if the rules are written in
 * a way that this can't add to.
 */
export function withAllowance(text: string, allowance: Allowance): { text: string; file: Table } {
  const before = toJsonTable(parse(text));
  const { allow = [], ...rest } = before;
  if (!Array.isArray(allow)) throw cannotAdd(allowance);
  const at = allowance.asking ?? 0;
  const rule = ruleFor(allowance, allow[at], namesOf(allow));
  const first = allowance.asking === undefined;
  const added = first ? [rule, { name: "everybody else" }] : [rule];
  const place = first ? text.length : startOf(text, at);
  if (place === undefined) throw cannotAdd(allowance);
  const head = text.slice(0, place);
  const gap = head === "" || head.endsWith("\n\n") ? "" : head.endsWith("\n") ? "\n" : "\n\n";
  const block = added
    .map((one, index) => `${index === 0 ? BY_A_PERSON : FOR_THE_REST}\n${tableOf(one)}`)
    .join("\n");
  const tail = text.slice(place);
  const inserted = `${gap}${block}${tail === "" ? "" : "\n"}`;
  const edited = `${head}${text.includes("\r\n") ? inserted.replaceAll("\n", "\r\n") : inserted}${tail}`;
  const file = parsed(edited);
  const wanted = { ...rest, allow: [...allow.slice(0, at), ...added, ...allow.slice(at)] };
  if (!file || !isDeepStrictEqual(file, wanted)) throw cannotAdd(allowance);
  return { text: edited, file };
}

function ruleFor({ executable, kind }: Allowance, asking: Table = {}, names: ReadonlySet<string>) {
  return {
    ...asking,
    name: freeName(basename(executable), names),
    executable,
    // A program that asked for requests only was not given the token.
    ...(kind === "request" ? { expose: "request" } : {}),
    confirm: "never",
  };
}

function namesOf(rules: readonly Table[]): Set<string> {
  return new Set(rules.map(({ name }, index) => String(name ?? `allow[${index + 1}]`)));
}

function freeName(wanted: string, taken: ReadonlySet<string>): string {
  const plain = wanted.replace(/[^\p{L}\p{N} ._:@/+-]/gu, "_").slice(0, 40);
  // Some words are names of authd's own rules, and a name begins with a letter.
  const short = /^(?!(default|expose|methods|paths|allow|guarded)$)[\p{L}\p{N}]/u.test(plain)
    ? plain
    : `program ${plain}`;
  for (let number = 1; ; number++) {
    const name = number === 1 ? short : `${short} ${number}`;
    if (!taken.has(name)) return name;
  }
}

const tableOf = (rule: Table) => `${stringify({ allow: [rule] }).trim()}\n`;

/** Returns the offset of the rule of that number, with the comment above it. */
function startOf(text: string, number: number): number | undefined {
  const header = [...text.matchAll(HEADER)][number]?.index;
  if (header === undefined) return undefined;
  const lines = text.slice(0, header).split("\n");
  // The last one is what stands before the header on its own line.
  let first = lines.length - 1;
  while (first > 0 && /^[ \t]*#/.test(lines[first - 1] ?? "")) first--;
  return lines.slice(0, first).join("\n").length + (first > 0 ? 1 : 0);
}

function parsed(text: string): Table | undefined {
  try {
    return toJsonTable(parse(text));
  } catch {
    return undefined;
  }
}

function cannotAdd({ executable }: Allowance): AuthdError {
  return new AuthdError(
    "invalid_params",
    `The rule can't be added to this file: write an [[allow]] table with executable = ${JSON.stringify(executable)} and confirm = "never" yourself, or answer for a shorter time.`,
  );
}
