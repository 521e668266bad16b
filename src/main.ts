#!/usr/bin/env node
import { basename } from "node:path";
import { EXIT } from "./cli/exit-code.ts";
import { quickGet } from "./cli/get.ts";

// The reader of a pipe has left (`authd request … | head`): it has what it wanted.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.done);
  process.stderr.write(`authd: standard output can't be written to (${error.code})\n`);
  process.exit(EXIT.failed);
});

const called = basename(process.argv[1] ?? "");
const given = process.argv.slice(2);
const words = ["main.js", "authd"].includes(called)
  ? given
  : (await import("./cli/names.ts")).wordsOf(called, given);
const [command, ...args] = words;
if (command === "serve") (await import("./base/v8-flags.ts")).configureV8();
try {
  if (command === "__complete") {
    await (await import("./cli/complete.ts")).complete(args);
  } else if (!(await quickly(command, args))) {
    await (await import("./cli/program.ts")).run(words);
  }
} catch (error) {
  process.exitCode = (await import("./cli/print-error.ts")).report(error);
}

/** Does what is asked often, without commander. Returns false for anything else. */
async function quickly(name: string | undefined, rest: string[]): Promise<boolean> {
  if (name === "get") return await quickGet(rest);
  return name === "helper" && (await (await import("./cli/helper/answer.ts")).answerTool(rest));
}
