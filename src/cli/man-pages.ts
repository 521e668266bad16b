/** Manual pages, in man(7), out of the very definitions that the commands and their help are made of. */
import type { Command, Option } from "commander";
import { commands } from "./commands.ts";
import { programFor } from "./program.ts";

/** Returns the text of each page by its file's name: `authd.1`, and `authd-get.1` and so on for commands. */
export async function manPages(): Promise<ReadonlyMap<string, string>> {
  const names = Object.keys(commands);
  const program = await programFor(names);
  const pages = new Map([["authd.1", programPage(program)]]);
  for (const command of program.commands) {
    const { examples = [] } = await commands[command.name()]!.load();
    pages.set(`authd-${command.name()}.1`, commandPage(command, examples));
  }
  return pages;
}

function programPage(program: Command): string {
  return page("authd", program.description(), [
    section("SYNOPSIS", [".B authd", "COMMAND [options]"]),
    section("DESCRIPTION", [
      escaped(
        "One daemon owns API credentials, renews their tokens, and serves programs of its user.",
      ),
      "Each command has a page of its own, such as",
      ".BR authd-get (1).",
    ]),
    section(
      "COMMANDS",
      Object.values(commands).flatMap(({ usage, summary }) => term(usage, summary)),
    ),
    section("OPTIONS", program.options.flatMap(optionLines)),
  ]);
}

function commandPage(command: Command, examples: readonly string[]): string {
  const { name, summary } = { name: command.name(), summary: command.summary() };
  const args = command.registeredArguments.flatMap((argument) => [
    ...term(argument.name(), argument.description),
  ]);
  const inner = command.commands.flatMap((each) => [
    ...term(`${each.name()} ${each.usage()}`, each.description()),
    ...(each.options.length > 0 ? [".RS", ...each.options.flatMap(optionLines), ".RE"] : []),
  ]);
  return page(`authd-${name}`, summary, [
    section("SYNOPSIS", [`.B authd ${escaped(name)}`, escaped(command.usage())]),
    ...(args.length > 0 ? [section("ARGUMENTS", args)] : []),
    ...(inner.length > 0 ? [section("ACTIONS", inner)] : []),
    ...(command.options.length > 0
      ? [section("OPTIONS", command.options.flatMap(optionLines))]
      : []),
    ...(examples.length > 0 ? [section("EXAMPLES", [".nf", ...examples.map(escaped), ".fi"])] : []),
  ]);
}

function page(name: string, summary: string, sections: readonly string[]): string {
  const whatItIs = `${escaped(name)} \\- ${escaped(summary.replace(/\.$/, ""))}`;
  const seeAlso = name === "authd" ? [] : [section("SEE ALSO", [".BR authd (1)"])];
  const head = `.TH ${name.toUpperCase()} 1 "" "authd" "User Commands"`;
  return `${[head, section("NAME", [whatItIs]), ...sections, ...seeAlso].join("\n")}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return [`.SH ${title}`, ...lines].join("\n");
}

function optionLines({ flags, description, argChoices }: Option): string[] {
  const choices = argChoices ? ` (${argChoices.join(", ")})` : "";
  return term(flags, `${description}${choices}`);
}

function term(name: string, description: string): string[] {
  return [".TP", `.B ${escaped(name).replaceAll('"', "\\(dq")}`, escaped(description)];
}

/** Text as roff prints it: no escapes, no request at the beginning of a line, ASCII hyphens for options. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replace(/^([.'])/, "\\&$1");
}
