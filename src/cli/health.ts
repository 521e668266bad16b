import type { Command } from "commander";
import type { HealthCheck } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { print, printJson } from "./output.ts";
import { plain } from "./style.ts";

/** A daemon that is alive answers at once. */
const TIMEOUT_MS = 5_000;

interface HealthOptions {
  live?: boolean;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .option("--live", "only whether it answers")
    .option("--json", "for programs")
    .action(health);
}

export const examples = ["authd health", "authd health --live"];

/** Prints each check. The exit code is 1 if one is not passed. */
async function health({ live = false, json = false }: HealthOptions): Promise<void> {
  if (live) {
    await callDaemon("initialize", {}, TIMEOUT_MS);
    return json ? printJson({ live }) : print("live");
  }
  const result = await callDaemon("health", {}, TIMEOUT_MS);
  if (!result.ready) process.exitCode = 1;
  if (json) return printJson(result);
  print(result.ready ? "ready" : "not ready", ...result.checks.map(told));
}

const told = ({ name, ok, message }: HealthCheck) =>
  `  ${name}: ${ok ? "" : "failed: "}${plain(message)}`;
