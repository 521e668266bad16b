import type { Command } from "commander";

export function define(command: Command): void {
  command
    .usage("[verify] [options]")
    .helpCommand(false)
    .option("-f, --follow", "stay, and show what is added")
    .option("--json", "for programs: a JSON object a line, as in the file")
    .option("--credential <name>", "of one credential only")
    .option("--host <name>", "of one host of a store only")
    .option("--since <duration>", "only the last 90s, 30m, 1h, 2d")
    .action(async (options) => (await import("./audit/show.ts")).show(options));
  command
    .command("verify")
    .description("Finds lines that were changed, removed, moved or copied.")
    .option("--json", "for programs")
    // `--json` is an option of both: commander gives it to the outer one.
    .action(async (_options, self: Command) =>
      (await import("./audit/check.ts")).check(self.optsWithGlobals()),
    );
}

export const examples = [
  "authd audit --since 1h",
  "authd audit --credential labelf --follow",
  "authd audit verify",
];
