import type { Command } from "commander";
import type { CommandModule } from "./commands.ts";
import type { ServiceOptions } from "./service.ts";

/** What runs until it is told to stop, or is about the service that does: each in its own file. */
export const serveCommand: CommandModule = {
  define: (command) => {
    command.action(async () => {
      process.exitCode = await (await import("./serve.ts")).serve();
    });
  },
};

export const sandboxCommand: CommandModule = {
  define: (command: Command) => {
    command
      .option("--once", "a scripted tour: exit 0 if every step worked")
      .option("--json", "print addresses for a program")
      .action(async ({ once = false, json = false }: { once?: boolean; json?: boolean }) => {
        process.exitCode = await (await import("./sandbox.ts")).sandbox({ once, json });
      });
  },
  examples: ["authd sandbox", "authd sandbox --once"],
};

export const serviceCommand: CommandModule = {
  define: async (command: Command) => {
    const { Argument } = await import("commander");
    command
      .addArgument(
        new Argument("<action>", "what to do").choices(["install", "uninstall", "status"]),
      )
      .option("--system", "one daemon for all users, under a user of its own; as root")
      .option("--user <user>", "whom install --system lets in; by default who called sudo")
      .option("--let-in", "with --system: let that user in")
      .option(
        "--take-over",
        "with --system: let that user in, and move the vault of that user's authd here",
      )
      .option("--purge", "with uninstall --system: delete settings, vault, key and accounts, too")
      .option("--yes", "do not ask whether to purge")
      .option("--approve", "what asks you on the desktop what a system-wide daemon wants to know")
      .action(async (action: "install" | "uninstall" | "status", options: ServiceOptions) => {
        process.exitCode = await (await import("./service.ts")).service(action, options);
      });
  },
  examples: ["authd service install", "sudo authd service install --system"],
};
