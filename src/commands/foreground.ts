import type { Command } from "commander";
import type { CommandModule } from "./commands.ts";

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
      .action(async (action: "install" | "uninstall" | "status") => {
        process.exitCode = await (await import("./service.ts")).service(action);
      });
  },
  examples: ["authd service install"],
};
