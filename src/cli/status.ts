import type { Command } from "commander";
import { callDaemon } from "./call-daemon.ts";
import { NO_CREDENTIALS } from "./credentials.ts";
import { warnOfVersion } from "./daemon-version.ts";
import { columns, print, printJson } from "./output.ts";
import { credentialTable } from "./status/credential-table.ts";
import {
  headline,
  lockLines,
  problemLines,
  reportingLines,
  stateCounts,
  unsavedLines,
} from "./status/summary.ts";
import { cut, painter, plain } from "./style.ts";

/** Credentials of which a person sees at a glance how they are. */
const FEW = 4;

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
  if (watch && !json && process.stdout.isTTY) return (await import("./status/watch.ts")).watch();
  if (watch) return (await import("./follow.ts")).follow(json);
  const daemon = await callDaemon("status", {});
  const { credentials } = await callDaemon("credentials/list", {});
  warnOfVersion(daemon);
  if (json) return printJson({ daemon, credentials });
  const options = { now: Date.now(), paint: painter(process.stdout), columns: columns() };
  const { paint } = options;
  print(
    cut(headline(daemon, options.now), options.columns),
    paint("dim", `listening on ${plain(daemon.socket)}`),
    ...unsavedLines(daemon, paint),
    ...reportingLines(daemon.reporting, paint),
    ...lockLines(daemon, paint),
    ...problemLines(daemon, paint),
    "",
  );
  if (credentials.length === 0) print(NO_CREDENTIALS);
  else print(...credentialTable(credentials, { ...options, sort: "problems" }));
  if (credentials.length > FEW) print("", stateCounts(daemon));
}
