/** Candidates for `--set` and `--unset`: the keys that the preset or grant on the command line knows. */
import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";

/** `--set`: `key=`, and behind it the values that there are. */
export async function settingCandidates(
  command: Command,
  words: readonly string[],
  typed: string,
): Promise<string[]> {
  const all = await settingsFor(command, words);
  const [key = ""] = typed.split("=");
  const named = typed.includes("=") ? all.find((each) => each.key === key) : undefined;
  return named
    ? named.values.map((value) => `${key}=${value}`)
    : all.map(({ key, description }) => `${key}=\t${description}`);
}

export async function keyCandidates(command: Command, words: readonly string[]): Promise<string[]> {
  const all = await settingsFor(command, words);
  return all.map(({ key, description }) => `${key}\t${description}`);
}

async function settingsFor(command: Command, words: readonly string[]) {
  const { knownSettings } = await import("../config/config.ts");
  const { knownPresets } = await import("./known-presets.ts");
  return knownSettings(kindIn(words) ?? (await kindOf(command, words)), knownPresets());
}

/** `--preset labelf` or `--preset=labelf`; `--resource` means a sign-in. */
function kindIn(words: readonly string[]): Record<string, string> | undefined {
  for (const [index, word] of words.entries()) {
    const [, name, joined] = /^--(preset|grant)(?:=(.*))?$/.exec(word) ?? [];
    const value = joined ?? words[index + 1];
    if (/^--resource(?:=|$)/.test(word)) return { grant: "authorization_code" };
    if (name !== undefined && value !== undefined) return { [name]: value };
  }
  return undefined;
}

/** Of a credential that there is: the first word that is no option, nor an option's value. */
async function kindOf(command: Command, words: readonly string[]) {
  const isValue = (index: number) =>
    command.options.some(
      ({ short, long, required }) => required && [short, long].includes(words[index - 1] ?? ""),
    );
  const credential = words.find((word, index) => !word.startsWith("-") && !isValue(index));
  const { preset, grant } = await callDaemon(
    "credentials/show",
    { credential: credential ?? "" },
    2_000,
  );
  return preset === undefined ? { grant } : { preset };
}
