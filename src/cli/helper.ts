import type { Command } from "commander";

export function define(command: Command): void {
  command
    .usage("list | install TOOL | uninstall TOOL | TOOL ...")
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (each) => `${each.name()} ${each.usage()}`.trimEnd() });
  command
    .command("list")
    .usage("")
    .description("Which tools ask authd, for what, and what is broken.")
    .option("--json", "for programs: the same as JSON")
    .action(async (options) => (await import("./helper/list.ts")).list(options));
  command
    .command("install")
    .usage("TOOL [--for HOST=NAME]")
    .description("Shows what has to be in the tool's settings, and writes it.")
    .argument("<tool>", "one that authd helper list shows")
    .option("--for <host=name...>", "for this host: the credential NAME, or the one for its origin")
    .option("--dry-run", "write nothing")
    .action(async (tool, options) => (await import("./helper/install.ts")).install(tool, options));
  command
    .command("uninstall")
    .usage("TOOL")
    .description("Takes that out again, and nothing else.")
    .argument("<tool>", "one that authd helper list shows")
    .action(async (tool) => (await import("./helper/uninstall.ts")).uninstall(tool));
}

export const examples = [
  "authd helper install git --for github.com=github",
  "authd helper list",
  "authd helper uninstall git",
];
