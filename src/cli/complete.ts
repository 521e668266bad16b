import type { Argument, Command, Option } from "commander";
import type { CredentialInfo } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { commands } from "./commands.ts";
import { EXIT } from "./exit-code.ts";
import { print } from "./output.ts";
import { programFor } from "./program.ts";
import { plain } from "./style.ts";

/** "word" or "word<tab>description". */
type Candidates = readonly string[] | "files";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/** `authd __complete WORD…`, which the shells' scripts ask; the last word is being typed. Never complains. */
export async function complete(words: readonly string[]): Promise<void> {
  const candidates = await candidatesFor(words).catch(() => []);
  if (candidates === "files") process.exitCode = EXIT.failed;
  else print(...candidates);
}

async function candidatesFor(words: readonly string[]): Promise<Candidates> {
  const [name = ""] = words;
  const typed = words.at(-1) ?? "";
  if (words.length < 2) {
    const all = Object.entries(commands).map(([each, { summary }]) => `${each}\t${summary}`);
    return matching(all, name);
  }
  const program = await programFor([name]);
  const { command, rest } = innermost(program, words.slice(0, -1));
  if (command === program) return [];
  if (command.commands.length > 0) return matching(command.commands.map(summarized), typed);
  const { option, positionals } = place(command, rest);
  const joined = /^(--[a-z-]+)=/.exec(typed);
  if (joined && !option) return afterEquals(optionNamed(command, joined[1]!), joined[0], typed);
  const found = option
    ? ((await settingsOf(option, command, rest, typed)) ?? (await valuesOf(option)))
    : typed.startsWith("-")
      ? optionsOf(command)
      : await argumentsOf(command, positionals);
  return found === "files" ? found : matching(found, typed);
}

/** Candidates that depend on what else is on the command line; undefined: `option` is none of these. */
async function settingsOf(
  { long }: Option,
  command: Command,
  words: readonly string[],
  typed: string,
): Promise<string[] | undefined> {
  if (long !== "--set" && long !== "--unset") return undefined;
  const { keyCandidates, settingCandidates } = await import("./complete-settings.ts");
  return long === "--set"
    ? await settingCandidates(command, words, typed)
    : await keyCandidates(command, words);
}

/** `vault export …`: the command that the words name, and those behind its name. */
function innermost(command: Command, words: readonly string[]) {
  let inner = command;
  let rest = words;
  for (;;) {
    const next = inner.commands.find((each) => each.name() === rest[0]);
    if (!next) return { command: inner, rest };
    inner = next;
    rest = rest.slice(1);
  }
}

const summarized = (command: Command) => `${command.name()}\t${command.description()}`;

/** `--format=js`: the candidates are whole words. */
async function afterEquals(
  option: Option | undefined,
  prefix: string,
  typed: string,
): Promise<Candidates> {
  const values = option ? await valuesOf(option) : [];
  if (values === "files") return values;
  return matching(
    values.map((value) => prefix + value),
    typed,
  );
}

/** Which option waits for its value, if any, and the arguments before the cursor. */
function place(command: Command, before: readonly string[]) {
  let option: Option | undefined;
  const positionals: string[] = [];
  for (const word of before) {
    if (option) option = undefined;
    else if (word.startsWith("-")) option = optionNamed(command, word);
    else positionals.push(word);
  }
  return { option, positionals };
}

function optionNamed(command: Command, word: string): Option | undefined {
  const option = command.options.find((each) => each.short === word || each.long === word);
  return option?.required || option?.optional ? option : undefined;
}

function optionsOf(command: Command): string[] {
  return command.options.map((option) => `${option.long ?? option.short}\t${option.description}`);
}

async function valuesOf(option: Option): Promise<Candidates> {
  if (option.argChoices) return option.argChoices;
  switch (option.long) {
    case "--preset": {
      return await presets();
    }
    case "--grant": {
      const { grants } = await import("../grants/index.ts");
      return Object.keys(grants);
    }
    case "--credential":
      return (await credentials()).map(described);
    case "--secrets-from":
    case "--passphrase-from":
    case "--data":
    case "--upload-file":
    case "--output":
      return "files";
    case "--request":
      return METHODS;
    default:
      return [];
  }
}

async function argumentsOf(command: Command, positionals: readonly string[]): Promise<Candidates> {
  const argument: Argument | undefined = command.registeredArguments[positionals.length];
  if (argument?.argChoices) return argument.argChoices;
  switch (argument?.name()) {
    case "name":
      return command.name() === "add" ? [] : (await credentials()).map(described);
    case "method-or-url":
      return [...METHODS, ...(await originsOf(positionals[0]))];
    case "id":
      return (await callDaemon("approvals/pending", {}, 2_000)).approvals.map(
        ({ id, credential, program }) => `${id}\t${credential}, ${plain(program)}`,
      );
    case "preset":
      return await presets();
    case "tool":
      return await tools();
    case "file":
    case "path":
      return "files";
    case "url":
      return originsOf(positionals[0]);
    default:
      return [];
  }
}

async function presets(): Promise<string[]> {
  const { knownPresets } = await import("./known-presets.ts");
  return Array.from(
    knownPresets().byName.values(),
    ({ name, title }) => `${name}\t${plain(title)}`,
  );
}

async function tools(): Promise<string[]> {
  const { helpers } = await import("../helpers/index.ts");
  return Object.entries(helpers).map(([name, { summary }]) => `${name}\t${summary}`);
}

async function credentials(): Promise<readonly CredentialInfo[]> {
  return (await callDaemon("credentials/list", {}, 2_000)).credentials;
}

function described({ name, preset, grant, state }: CredentialInfo): string {
  return `${name}\t${preset ?? grant}, ${state}`;
}

async function originsOf(name: string | undefined): Promise<string[]> {
  const info = (await credentials()).find((each) => each.name === name);
  return (info?.origins ?? []).map((origin) => `${origin}/`);
}

function matching(candidates: readonly string[], typed: string): string[] {
  return candidates.filter((candidate) => candidate.startsWith(typed));
}
