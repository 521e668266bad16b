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
  const { changed, daemon = [], errors } = result;
  const untrusted = await untrustedOf(changed);
  print(
    ...listed("Changed", changed),
    ...listed("Took effect", daemon),
    ...(changed.length + daemon.length === 0 ? ["Nothing changed."] : []),
    ...untrusted.map((name) => `  not in effect until it is trusted: authd trust ${plain(name)}`),
  );
  const paint = painter(process.stderr);
  for (const { file, message } of errors) {
    process.stderr.write(`${paint("red", "✖")} ${plain(file)}: ${plain(message)}\n`);
  }
}

function listed(label: string, names: readonly string[]): string[] {
  return names.length > 0 ? [`${label}: ${names.map(plain).join(", ")}`] : [];
}

/** Names of those whose edit decides where secrets go, so that a person must accept it first. */
async function untrustedOf(changed: readonly string[]): Promise<string[]> {
  if (changed.length === 0) return [];
  const names = new Set(changed);
  const { credentials } = await callDaemon("credentials/list", {});
  return credentials.flatMap(({ name, state }) =>
    state === "changed" && names.has(name) ? [name] : [],
  );
}
