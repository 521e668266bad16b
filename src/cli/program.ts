import { Command, CommanderError, type Help } from "commander";
import { version } from "../base/version.ts";
import type { CommandModule } from "./command-module.ts";
import { commands } from "./commands.ts";
import { EXIT } from "./exit-code.ts";
import { painter } from "./style.ts";

/** Parses arguments with commander and runs what they name; `help get` is `get --help`. Throws what the command throws. */
export async function run(given: string[]): Promise<void> {
  const args = given[0] === "help" ? [...given.slice(1), "--help"] : given;
  const program = await programFor(args.slice(0, 2));
  try {
    if (args.length === 0) program.help({ error: true });
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}

/** All commands by name and summary; those in `names` with their arguments and options. */
export async function programFor(names: readonly string[]): Promise<Command> {
  const program = new Command("authd")
    .description("Keeps your API credentials, and their tokens fresh.")
    .usage("COMMAND")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help; authd COMMAND --help tells more")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(complaint(text)) })
    .configureHelp(helpStyle())
    .addHelpText("after", firstSteps());
  for (const [name, row] of Object.entries(commands)) {
    const command = program
      .command(name)
      .summary(row.summary)
      .description(`${row.summary.charAt(0).toUpperCase()}${row.summary.slice(1)}.`)
      .helpGroup(row.group);
    if (names.includes(name)) await fill(command, await row.load());
  }
  return program;
}

async function fill(command: Command, module: CommandModule): Promise<void> {
  await module.define(command);
  if (module.examples) {
    command.addHelpText("after", `\nExamples:\n${module.examples.map((e) => `  ${e}`).join("\n")}`);
  }
}

/** commander's "error: unknown option '--jsno'" as one of ours. */
function complaint(text: string): string {
  const paint = painter(process.stderr);
  return text.replace(/^error: /, `${paint("red", "authd:")} `).replace(/\n\((.*)\)/, "\n  $1");
}

function helpStyle(): Partial<Help> {
  const paint = painter({ isTTY: true }, {});
  return {
    subcommandTerm: (command) => commands[command.name()]?.usage ?? command.name(),
    styleTitle: (text) => paint("bold", text),
    styleSubcommandTerm: (text) => paint("cyan", text),
    styleOptionTerm: (text) => paint("cyan", text),
    showGlobalOptions: false,
    minWidthToWrap: 10,
  };
}

function firstSteps(): string {
  return `
First steps:
  authd sandbox                        try everything, with nothing to set up
  authd add labelf --preset labelf     add a credential
  authd get labelf                     print its token`;
}
