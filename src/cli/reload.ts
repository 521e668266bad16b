import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { print, printJson } from "./output.ts";
import { painter, plain } from "./style.ts";

export function define(command: Command): void {
  command.option("--json", "for programs: what reload answers").action(reload);
}

export const examples = ["authd reload"];

async function reload({ json = false }: { json?: boolean }): Promise<void> {
  const result = await callDaemon("reload", {});
  process.exitCode = result.errors.length > 0 ? EXIT.failed : EXIT.done;
  if (json) return printJson(result);
  const { changed, errors } = result;
  print(changed.length > 0 ? `Changed: ${changed.map(plain).join(", ")}` : "Nothing changed.");
  const paint = painter(process.stderr);
  for (const { file, message } of errors) {
    process.stderr.write(`${paint("red", "✖")} ${plain(file)}: ${plain(message)}\n`);
  }
}
