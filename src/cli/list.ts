import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { NO_CREDENTIALS } from "./credentials.ts";
import { columns, print, printJson } from "./output.ts";
import { credentialTable } from "./status/credential-table.ts";
import { painter } from "./style.ts";

export function define(command: Command): void {
  command.option("--json", "for programs: what credentials/list answers").action(list);
}

export const examples = ["authd list", "authd list --json | jq -r '.credentials[].name'"];

async function list({ json = false }: { json?: boolean }): Promise<void> {
  const result = await callDaemon("credentials/list", {});
  if (json) return printJson(result);
  if (result.credentials.length === 0) return print(NO_CREDENTIALS);
  const options = { now: Date.now(), paint: painter(process.stdout), columns: columns() };
  print(...credentialTable(result.credentials, options));
}
