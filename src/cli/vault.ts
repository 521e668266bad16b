import type { Command } from "commander";

const PASSPHRASE = [
  "--passphrase-from <file>",
  "out of a file or - for a pipe, instead of a terminal",
] as const;

export async function define(command: Command): Promise<void> {
  const { Option } = await import("commander");
  command
    .usage("ACTION")
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (each) => `${each.name()} ${each.usage()}` });
  command
    .command("export")
    .usage("FILE")
    .description("All credentials, with their secrets, into one file sealed with a passphrase.")
    .argument("<file>", "a new file, or - for standard output")
    .option("--replace", "if there is such a file already, replace it")
    .option(...PASSPHRASE)
    .action(async (file, options) => (await import("./vault/export.ts")).exportTo(file, options));
  command
    .command("import")
    .usage("FILE")
    .description("Credentials out of such a file: all that are asked for, or none.")
    .argument("<file>", "what authd vault export made, or - for standard input")
    .option("--replace", "replace credentials that there are already")
    .option("--only <name...>", "these credentials, no others")
    .option(...PASSPHRASE)
    .action(async (file, options) => (await import("./vault/import.ts")).importFrom(file, options));
  const sources = ["keychain", "passphrase", "systemd-credential", "file"];
  command
    .command("rekey")
    .usage("--to SOURCE")
    .description("Seals everything with a new key.")
    .addOption(
      new Option("--to <source>", "where the new key comes from")
        .choices(sources)
        .makeOptionMandatory(),
    )
    .option(...PASSPHRASE)
    .action(async (options) => (await import("./vault/rekey.ts")).rekey(options));
  command
    .command("move")
    .usage("--to URL")
    .description("All credentials into a store that several hosts share, or back (file:).")
    .requiredOption(
      "--to <url>",
      "postgres://ROLE@HOST/DATABASE, file:///FOLDER, or file: for back",
    )
    .option("--json", "for programs")
    .action(async (options) => (await import("./vault/move.ts")).move(options));
}

export const examples = [
  "authd vault export backup.authd",
  "authd vault import backup.authd",
  "authd vault rekey --to keychain",
  "authd vault move --to postgres://authd@db.example.com/authd",
];
