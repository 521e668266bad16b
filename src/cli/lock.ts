import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { lengthOf } from "./events.ts";
import { print } from "./output.ts";
import { duration } from "./times.ts";

export function define(command: Command): void {
  command
    .option("--after <duration>", "not now, but whenever nothing was asked for so long: 30m, 2h")
    .action(lock);
}

export const examples = ["authd lock", "authd lock --after 30m"];

async function lock({ after }: { after?: string }): Promise<void> {
  if (after === undefined) {
    await callDaemon("lock", {});
    print("Locked. authd unlock opens the vault again.");
    return;
  }
  const { afterMs = 0 } = await callDaemon("lock", {
    afterMs: Math.round(lengthOf(after, "--after")),
  });
  print(
    `The vault is locked whenever nothing was asked of it for ${duration(afterMs)}, until authd ends; ` +
      "lock_after in config.toml makes it stay.",
  );
}
