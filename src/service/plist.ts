/** Builds launchd's property lists from the file in launchd/. */
import { readFileSync } from "node:fs";
import { type Launch, templatePath } from "./launch.ts";

/** Differences between a LaunchAgent and a LaunchDaemon. */
export interface Job {
  label: string;
  /** Path of the log. */
  log: string;
  /** User of a LaunchDaemon; its group has the same name. */
  user?: string;
}

export function plistOf({ label, log, user }: Job, { node, main, variables }: Launch): string {
  const words = [node, main, "serve"].map((word) => `    ${string(word)}\n`);
  const environment = Object.entries(variables).map(([name, value]) => pair("    ", name, value));
  const account =
    user === undefined ? [] : [pair("  ", "UserName", user), pair("  ", "GroupName", user)];
  const more = [...account, pair("  ", "StandardErrorPath", log)].join("");
  return readFileSync(templatePath("launchd/authd.plist"), "utf8")
    .replace(/<!--\n.*?-->\n/s, "")
    .replace(
      /(<key>Label<\/key>\s*)<string>.*?<\/string>/,
      (_, head: string) => head + string(label),
    )
    .replace(/(<key>ProgramArguments<\/key>\s*<array>\n).*?(?= *<\/array>)/s, (_, head: string) =>
      head.concat(...words),
    )
    .replace(/(<key>EnvironmentVariables<\/key>\s*<dict>\n.*?)(?= *<\/dict>)/s, (head) =>
      head.concat(...environment),
    )
    .replace(/<\/dict>\n<\/plist>/, (end) => more + end);
}

/** Returns the words of the command that a property list starts; undefined if it has none. */
export function commandInPlist(content: string): string[] | undefined {
  const array = /<key>ProgramArguments<\/key>\s*<array>(.*?)<\/array>/s.exec(content)?.[1];
  return array?.match(/(?<=<string>)[^<]*(?=<\/string>)/g)?.map(unescapeXml);
}

function pair(indent: string, key: string, value: string): string {
  return `${indent}<key>${escapeXml(key)}</key>\n${indent}${string(value)}\n`;
}

function string(text: string): string {
  return `<string>${escapeXml(text)}</string>`;
}

const ENTITIES: readonly (readonly [string, string])[] = [
  ["&", "&amp;"],
  ["<", "&lt;"],
  [">", "&gt;"],
];

/** Writes characters that XML has other uses for as it wants them. */
export function escapeXml(text: string): string {
  return ENTITIES.reduce((escaped, [plain, entity]) => escaped.replaceAll(plain, entity), text);
}

/** Reads what `escapeXml` has written, and characters by their numbers. */
export function unescapeXml(text: string): string {
  return ENTITIES.toReversed().reduce(
    (plain, [character, entity]) => plain.replaceAll(entity, character),
    text.replace(/&#(\d+);/g, (_, number: string) => String.fromCodePoint(Number(number))),
  );
}
