import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { credentialTable, NO_CREDENTIALS } from "./credentials.ts";
import { columns, print, printJson } from "./output.ts";
import { headline, lockLines, problemLines, reportingLines, unsavedLines } from "./status-text.ts";
import { painter, plain } from "./style.ts";

interface StatusOptions {
  watch?: boolean;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .option("-w, --watch", "stay, and show every change (in a pipe: a line a change)")
    .option("--json", "for programs; with --watch a JSON object a line")
    .action(status);
}

export const examples = ["authd status", "authd status --watch"];

async function status({ watch = false, json = false }: StatusOptions): Promise<void> {
  if (watch && !json && process.stdout.isTTY) return (await import("./watch.ts")).watch();
  if (watch) return (await import("./follow.ts")).follow(json);
  const daemon = await callDaemon("status", {});
  const { credentials } = await callDaemon("credentials/list", {});
  if (json) return printJson({ daemon, credentials });
  const now = Date.now();
  const paint = painter(process.stdout);
  print(headline(daemon, now), paint("dim", `listening on ${plain(daemon.socket)}`));
  print(
    ...unsavedLines(daemon, paint),
    ...reportingLines(daemon.reporting, paint),
    ...lockLines(daemon, paint),
    "",
  );
  if (credentials.length === 0) print(NO_CREDENTIALS);
  else print(...credentialTable(credentials, now, paint, columns()));
  print(...problemLines(daemon, paint));
}
