import { quoted } from "../../base/terminal-safe.ts";
import {
  type ApprovalAnswer,
  MAX_CHANGE_LENGTH,
  type PendingApproval,
  type RequestDetails,
} from "../../protocol.ts";

/** Labels of the answers. */
export const ANSWERS: Readonly<Record<ApprovalAnswer, string>> = {
  no: "No",
  once: "Yes, this once",
  process: "Yes, as long as this program runs",
  hour: "Yes, for an hour",
  session: "Yes, until authd locks or ends",
  always: "Yes, always: write it down as a rule",
};

/** Number of parents that are shown: the processes above start everything. */
const MAX_PARENTS = 3;
const MAX_LINE_LENGTH = 400;
const MAX_WISH_LENGTH = 200;

/** Returns the question in one sentence: `/usr/bin/backup (process 4711) asks labelf for its token`. */
export function sentenceOf({ program, kind, what, credential, count }: PendingApproval): string {
  const more = count > 1 ? ` (${count} requests wait)` : "";
  // A long wish is cut visibly, before the limit of the line would cut it; a change is shown in full.
  const longest = kind === "change" ? MAX_CHANGE_LENGTH : MAX_WISH_LENGTH;
  const wanted = what.length > longest ? `${what.slice(0, longest)}… (cut)` : what;
  const wish =
    kind === "change"
      ? `wants to change ${credential} (${wanted})`
      : `asks ${credential} for ${wanted}`;
  return oneLine(`${program} ${wish}${more}`, MAX_LINE_LENGTH + longest - MAX_WISH_LENGTH);
}

/** Returns one line for each further fact about the asking program. A program chooses its name itself. */
export function detailsOf(question: PendingApproval): string[] {
  const { processes, request, script, terminal, unit, container, unknown, rule } = question;
  const { query, headers } = request ?? {};
  const lines: [string, string | undefined][] = [
    ["query", query],
    ["headers", headers?.join(", ")],
    ["body", request && bodyText(request)],
    ["runs", word(script)],
    ["started by", processes.slice(1, 1 + MAX_PARENTS).join(" ← ") || undefined],
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

/** Replaces characters that begin a line, reverse the text, or control a terminal. */
function oneLine(text: string, longest = MAX_LINE_LENGTH): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?").slice(0, longest);
}

function bodyText({ bodyBytes, bodySha256, bodyFollows }: RequestDetails): string | undefined {
  const length = bodyBytes === undefined ? "of any length" : `${bodyBytes} bytes`;
  if (bodyFollows) return `${length}, not known yet: it follows when this is answered`;
  return bodyBytes === undefined ? undefined : `${length}, SHA-256 ${bodySha256}`;
}
