import type { Command } from "commander";
import type { StatusResult } from "../protocol.ts";
import { ask } from "./ask.ts";
import { credentialTable, NO_CREDENTIALS } from "./credentials.ts";
import { columns, print, printJson } from "./output.ts";
import { painter, plain } from "./style.ts";
import { duration } from "./times.ts";

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
  const daemon = await ask("status", {});
  const { credentials } = await ask("credentials/list", {});
  if (json) return printJson({ daemon, credentials });
  const now = Date.now();
  const paint = painter(process.stdout);
  print(headline(daemon, now), paint("dim", `listening on ${plain(daemon.socket)}`), "");
  if (credentials.length === 0) return print(NO_CREDENTIALS);
  print(...credentialTable(credentials, now, paint, columns()));
}

/** The daemon on one line. */
export function headline(daemon: StatusResult, now: number): string {
  return [
    `authd ${plain(daemon.version)}`,
    `pid ${daemon.pid}`,
    `up ${duration(now - daemon.startedAt)}`,
    counted(daemon.credentials, "credential"),
    counted(daemon.connections, "connection"),
    `key: ${plain(daemon.vaultKey)}`,
  ].join(" · ");
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
