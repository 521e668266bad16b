import { quoted } from "../../base/terminal-safe.ts";
import type { ApprovalAnswer, PendingApproval } from "../../protocol.ts";

/** What a person can say, in words. */
export const ANSWERS: Readonly<Record<ApprovalAnswer, string>> = {
  no: "No",
  once: "Yes, this once",
  process: "Yes, as long as this program runs",
  hour: "Yes, for an hour",
  session: "Yes, until authd locks or ends",
  always: "Yes, always: write it down as a rule",
};

/** Parents that are shown; those above start everything. */
const PARENTS = 3;
const LONGEST = 400;
const LONGEST_WISH = 200;

/** The question in one sentence: `/usr/bin/backup (process 4711) asks for its token of labelf`. */
export function sentenceOf({ program, kind, what, credential, count }: PendingApproval): string {
  const more = count > 1 ? ` (${count} requests wait)` : "";
  // What is wanted must not fall off the end.
  const wanted = what.length > LONGEST_WISH ? `${what.slice(0, LONGEST_WISH)}… (cut)` : what;
  const wish =
    kind === "change"
      ? `wants to change ${credential} (${wanted})`
      : `asks ${credential} for ${wanted}`;
  return oneLine(`${program} ${wish}${more}`);
}

/** What else is known of who asks, a line each. Names of programs are anybody's choice: shown, never trusted. */
export function detailsOf(question: PendingApproval): string[] {
  const { processes, request, script, terminal, unit, container, unknown, rule } = question;
  const { query, headers, bodyBytes, bodySha256 } = request ?? {};
  const lines: [string, string | undefined][] = [
    ["query", query],
    ["headers", headers?.join(", ")],
    ["body", bodyBytes === undefined ? undefined : `${bodyBytes} bytes, SHA-256 ${bodySha256}`],
    ["runs", word(script)],
    ["started by", processes.slice(1, 1 + PARENTS).join(" ← ") || undefined],
    ["terminal", word(terminal)],
    ["unit", word(unit)],
    ["container", word(container)],
    ["not known", unknown],
    ["asked by rule", rule],
  ];
  return lines.flatMap(([name, value]) =>
    value === undefined ? [] : oneLine(`${name}: ${value}`),
  );
}

const word = (text: string | undefined) => (text === undefined ? undefined : quoted(text));

/** None may begin a line of its own, turn the text around, or steer a terminal. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?").slice(0, LONGEST);
}
