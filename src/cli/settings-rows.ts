import type { CredentialDetails } from "../protocol.ts";
import { valueText } from "./differences.ts";

/** Keys of `settings` that have a row of their own in `authd show`. */
const SHOWN_ELSEWHERE = new Set([
  ...["preset", "grant", "origins", "secret_expires", "secrets"],
  ...["expose", "confirm", "methods", "paths", "allow", "deny"],
]);

/** Lists a credential's settings by dotted key, as a credential file spells them. */
export function settingsRows({
  settings = {},
}: Pick<CredentialDetails, "settings">): [string, string][] {
  return Object.entries(settings)
    .filter(([key]) => !SHOWN_ELSEWHERE.has(key))
    .flatMap(([key, value]) => rows(key, value));
}

/** Lists the rules of a credential, each with its programs, users, limits and rate, a line each. */
export function ruleLines({ settings = {} }: CredentialDetails): string[] {
  return ["allow", "deny"].flatMap((kind) => {
    const rules = settings[kind];
    return Array.isArray(rules) ? rules.map((rule, index) => ruleLine(kind, index, rule)) : [];
  });
}

function ruleLine(kind: string, index: number, rule: object): string {
  const { name = `${kind}[${index + 1}]`, ...rest } = rule as Record<string, unknown>;
  const parts = Object.entries(rest).map(([key, value]) => `${key} ${listText(value)}`);
  const who = parts.length > 0 ? parts.join(", ") : "everybody";
  return `${kind} ${valueText(name)}: ${who}`;
}

function rows(key: string, value: unknown): [string, string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [[key, listText(value)]];
  }
  return Object.entries(value).flatMap(([inner, member]) => rows(`${key}.${inner}`, member));
}

function listText(value: unknown): string {
  const isList = Array.isArray(value) && value.every((item) => typeof item !== "object");
  return isList ? value.map(valueText).join(", ") : valueText(value);
}
