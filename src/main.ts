#!/usr/bin/env node
import { EXIT } from "./commands/exit-code.ts";
import { quickGet } from "./commands/get.ts";

// The reader of a pipe has left (`authd request … | head`): it has what it wanted.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed);
});

const [command, ...args] = process.argv.slice(2);
if (command === "serve") (await import("./memory.ts")).startSmall();
try {
  if (command === "__complete") {
    await (await import("./commands/complete.ts")).complete(args);
  } else if (command !== "get" || !(await quickGet(args))) {
    await (await import("./commands/program.ts")).run(process.argv.slice(2));
  }
} catch (error) {
  process.exitCode = (await import("./commands/report.ts")).report(error);
}
