import type { Command } from "commander";
import { detailsOf, sentenceOf } from "../access/approvals/approval-text.ts";
import type { PendingApproval } from "../protocol.ts";
import { callDaemon } from "./call-daemon.ts";
import { print, printJson } from "./output.ts";
import { type Paint, painter } from "./style.ts";
import { duration } from "./times.ts";

export function define(command: Command): void {
  command.option("--json", "for programs").action(pending);
}

export const examples = ["authd pending", "authd approve 3 --hour"];

async function pending({ json = false }: { json?: boolean }): Promise<void> {
  const result = await callDaemon("approvals/pending", {});
  if (json) return printJson(result);
  const paint = painter(process.stdout);
  const now = Date.now();
  if (result.approvals.length === 0) return print(paint("dim", "Nobody waits for an answer."));
  print(...result.approvals.flatMap((question) => [...told(question, now, paint), ""]));
  print(paint("dim", "Answer them with authd approve."));
}

/** Formats a question with its number, on several lines. */
export function told(question: PendingApproval, now: number, paint: Paint): string[] {
  const left = duration(Math.max(0, question.expiresAt - now));
  return [
    `${paint("bold", `${question.id}`)}  ${sentenceOf(question)}`,
    ...detailsOf(question).map((line) => paint("dim", `   ${line}`)),
    paint("dim", `   no answer within ${left} is a no`),
  ];
}
