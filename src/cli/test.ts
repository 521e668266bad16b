import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { EXIT } from "./exit-code.ts";
import { print, printJson } from "./output.ts";
import { painter, plain } from "./style.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("--json", "for programs: what credentials/test answers")
    .action(test);
}

export const examples = ["authd test labelf"];

async function test(name: string, { json = false }: { json?: boolean }): Promise<void> {
  const result = await callDaemon("credentials/test", { credential: name });
  process.exitCode = result.ok ? EXIT.done : EXIT.failed;
  if (json) return printJson(result);
  const paint = painter(process.stdout);
  const sign = result.ok ? paint("green", "✔") : paint("red", "✖");
  print(`${sign} ${plain(result.detail)}`);
  if (!result.verified) print(`  To test the API too: authd set ${name} --set verify.url=URL`);
}
