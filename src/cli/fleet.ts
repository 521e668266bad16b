import type { Command } from "commander";

export function define(command: Command): void {
  command
    .usage("ACTION")
    .helpCommand(false)
    .configureHelp({ subcommandTerm: (each) => `${each.name()} ${each.usage()}`.trim() });
  command
    .command("invite")
    .usage("[--group NAME…]")
    .description(
      "Prints one line that lets one more host in, once, for ten minutes. It is a secret.",
    )
    .option("--group <name...>", "groups that it gets; else those without a group alone")
    .action(async (options) => (await import("./fleet/join.ts")).invite(options));
  command
    .command("key")
    .usage("NAME [--group NAME…]")
    .description(
      "Prints a key that lets every host in that has it in a file, until it is removed. It is a secret.",
    )
    .argument("<name>", "what it is called in the store")
    .option("--group <name...>", "groups that they get; else those without a group alone")
    .action(async (name, options) => (await import("./fleet/join.ts")).key(name, options));
  command
    .command("join")
    .usage("URL --invite FILE")
    .description("Lets this host share the credentials of a store, or more groups of them.")
    .argument("<url>", "the store's address, as on the other hosts")
    .requiredOption("--invite <file>", "what authd fleet invite printed, or - for a pipe")
    .option("--json", "for programs")
    .action(async (url, options) => (await import("./fleet/join.ts")).join(url, options));
  command
    .command("status")
    .usage("")
    .description("The hosts, and who refreshed what.")
    .option("--json", "for programs")
    .action(async (options) => (await import("./fleet/status.ts")).status(options));
  command
    .command("drain")
    .usage("")
    .description("Lets this host refresh nothing any more, until authd starts again.")
    .action(async () => (await import("./fleet/remove.ts")).drain());
  command
    .command("remove")
    .usage("HOST [--force]")
    .description("Shuts a host out: everything is sealed with a new key.")
    .argument("<host>", "its name, as authd fleet status shows it; key:NAME: all that have the key")
    .option("--force", "waits for no request of the host; what the issuer answers it is lost")
    .action(async (host, options) => (await import("./fleet/remove.ts")).remove(host, options));
}

export const examples = [
  "(umask 077; authd fleet invite > invite)",
  "authd fleet join postgres://authd@db.example.com/authd --invite invite",
  "authd fleet status",
];
