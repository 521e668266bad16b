/** Finds braces in settings that name nothing, and so are sent as they are: most often a typing mistake. */
import { didYouMean } from "../base/suggest.ts";
import { isTable } from "./json-table.ts";

const PLACEHOLDER = /\{((?:secret\.)?[A-Za-z0-9_-]+)\}/g;
/** Members of a request in which braces can be part of a language, such as GraphQL. */
const FREE = new Set(["text", "json"]);

/** Templates by key, and the names that they may use. */
export interface TemplatePlace {
  key: string;
  value: unknown;
  names: readonly string[];
}

/** Returns a text for each name in braces that is not declared, with its place; undefined if there is none. */
export function literalsIn(places: readonly TemplatePlace[]): readonly string[] | undefined {
  const found = places.flatMap(({ key, value, names }) => look(key, value, names, false));
  return found.length > 0 ? found : undefined;
}

function look(key: string, value: unknown, names: readonly string[], isFree: boolean): string[] {
  if (typeof value === "string") return undeclared(key, value, names, isFree);
  if (Array.isArray(value)) return value.flatMap((item) => look(key, item, names, isFree));
  if (!isTable(value)) return [];
  return Object.entries(value).flatMap(([inner, member]) =>
    look(`${key}.${inner}`, member, names, isFree || (key === "request" && FREE.has(inner))),
  );
}

function undeclared(key: string, text: string, names: readonly string[], isFree: boolean) {
  return Array.from(text.matchAll(PLACEHOLDER), (match) => match[1]!).flatMap((name) => {
    if (names.includes(name)) return [];
    const hint = didYouMean(name, names);
    if (isFree && hint === "" && !name.startsWith("secret.")) return [];
    return [`${key} holds {${name}}, which names nothing here and goes out as it stands.${hint}`];
  });
}
