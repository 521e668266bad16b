import type { Command } from "commander";
import { AuthdError } from "../errors.ts";
import { EXIT } from "./exit-code.ts";
import { knownPreset, knownPresets } from "./known-presets.ts";
import { print, printJson } from "./output.ts";
import { presetSheet, presetTable } from "./preset-text.ts";
import { painter, plain } from "./style.ts";

export function define(command: Command): void {
  command
    .usage("[SEARCH | show NAME] [options]")
    .helpCommand(false)
    .argument("[search]", "only those with this in their name or title")
    .option("--json", "for programs")
    .action(list);
  command
    .command("show")
    .description("Shows what a preset asks for and sets.")
    .argument("<preset>", "its name")
    .option("--json", "for programs")
    // `--json` is an option of both: commander gives it to the outer one.
    .action((name, _options, self: Command) => show(name, self.optsWithGlobals()));
}

export const examples = ["authd presets", "authd presets data", "authd presets show zebbra"];

interface Options {
  json?: boolean;
}

/** Lists presets; a mistake in one of a person's own is told on stderr, with exit code 1. */
function list(search: string | undefined, { json = false }: Options): void {
  const { byName, mistakes } = knownPresets();
  const wanted = search?.toLowerCase() ?? "";
  const presets = [...byName.values()].filter(({ name, title }) =>
    [name, title].some((text) => text.toLowerCase().includes(wanted)),
  );
  if (json) {
    const rows = presets.map(({ name, title, grant, file, replaces }) => {
      return { name, title, grant, file, replaces };
    });
    printJson({ presets: rows, mistakes });
  } else print(...presetTable(presets));
  if (mistakes.length > 0) process.exitCode = EXIT.failed;
  const paint = painter(process.stderr);
  for (const { file, message } of json ? [] : mistakes)
    process.stderr.write(`${paint("red", "✖")} ${plain(file)}: ${plain(message)}\n`);
  if (presets.length > 0 || json) return;
  throw new AuthdError(
    "internal",
    `no preset has "${search}" in its name or title; any other API is described by a grant: authd add`,
  );
}

function show(name: string, { json = false }: Options): void {
  const preset = knownPreset(name);
  if (json) printJson(preset);
  else print(...presetSheet(preset, painter(process.stdout)));
}
