import type { Command } from "commander";
import type { CredentialInfo } from "../protocol.ts";
import { ask } from "./ask.ts";
import { nextTry, STATES, stateCell } from "./credentials.ts";
import { print, printJson } from "./output.ts";
import { type Paint, painter, plain } from "./style.ts";
import { table } from "./table.ts";
import { fromNow, moment } from "./times.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "the credential")
    .option("--json", "for programs: what credentials/show answers")
    .action(show);
}

export const examples = ["authd show labelf"];

async function show(name: string, { json = false }: { json?: boolean }): Promise<void> {
  const info = await ask("credentials/show", { credential: name });
  if (json) return printJson(info);
  print(...sheet(info, Date.now(), painter(process.stdout)));
}

/** Everything about one credential, a line each, and what to do about it. */
export function sheet(info: CredentialInfo, now: number, paint: Paint): string[] {
  const at = (ms: number) => `${moment(ms)} (${fromNow(ms, now)})`;
  const rows: [string, string | undefined][] = [
    ["state", stateCell(info.state, paint)],
    ["preset", info.preset],
    ["grant", info.grant],
    ["expires", info.expiresAt === null ? undefined : at(info.expiresAt)],
    ["next refresh", nextTry(info, now)],
    ["last refresh", info.lastRefreshAt === undefined ? undefined : at(info.lastRefreshAt)],
    ["refreshes", `${info.refreshCount}, failed ${info.failureCount}`],
    ["origins", info.origins.length > 0 ? info.origins.join("\n") : "none: get works, request not"],
    ["secret expires", info.secretExpires],
    ["last error", info.lastError && `${info.lastError.message} (${info.lastError.reason})`],
    ["", info.lastError && at(info.lastError.at)],
  ];
  const cells = rows.flatMap(([label, value]) =>
    value === undefined
      ? []
      : value
          .split("\n")
          .map((line, index) => [
            paint("dim", index === 0 ? label : ""),
            label === "state" ? line : plain(line),
          ]),
  );
  const next = STATES[info.state].next?.(info.name);
  return [
    paint("bold", plain(info.name)),
    ...table(cells).map((line) => `  ${line}`),
    ...(next ? [`  ${paint("bold", "Next:")} ${next}`] : []),
  ];
}
