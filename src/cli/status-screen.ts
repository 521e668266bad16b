import type { CredentialInfo, StatusResult } from "../protocol.ts";
import { kindOf, NO_CREDENTIALS, nextTry, stateCell, trouble } from "./credentials.ts";
import { headline } from "./status-text.ts";
import { cut, type Paint, plain } from "./style.ts";
import { table } from "./table.ts";
import { duration, moment } from "./times.ts";

/** What `status --watch` knows. */
export interface View {
  daemon?: StatusResult;
  credentials: readonly CredentialInfo[];
  /** Why there is nothing newer to show. */
  problem?: string;
}

/** Everything but the bar, at its usual width. */
const OTHER_COLUMNS = 68;

/** One picture of all credentials, for a terminal of `columns` by `rows`. */
export function frame(
  view: View,
  now: number,
  size: { columns: number; rows: number },
  paint: Paint,
): string[] {
  const { columns, rows } = size;
  const title = view.daemon ? headline(view.daemon, now) : "authd";
  const head = [
    paint("bold", cut(title, columns)),
    paint("dim", cut(`${moment(now)} · Ctrl-C ends this`, columns)),
    view.problem ? paint("red", cut(plain(view.problem), columns)) : "",
  ];
  const body =
    view.credentials.length > 0 ? credentialRows(view.credentials, now, columns, paint) : [];
  if (body.length === 0 && !view.problem) body.push(cut(NO_CREDENTIALS, columns));
  const room = Math.max(1, rows - head.length);
  if (body.length <= room) return [...head, ...body];
  const hidden = body.length - room + 1;
  return [...head, ...body.slice(0, room - 1), paint("dim", `… ${hidden} more lines`)];
}

function credentialRows(
  credentials: readonly CredentialInfo[],
  now: number,
  columns: number,
  paint: Paint,
): string[] {
  const barWidth = Math.max(6, Math.min(30, columns - OTHER_COLUMNS));
  const headings = ["NAME", "API", "STATE", "LIFE", "LEFT", "NEXT REFRESH"];
  const cells = credentials.map((info) => [
    cut(plain(info.name), 20),
    cut(kindOf(info), 18),
    stateCell(info.state, paint),
    bar(remaining(info, now), barWidth, paint),
    info.expiresAt === null ? "–" : info.expiresAt <= now ? "over" : duration(info.expiresAt - now),
    nextTry(info, now),
  ]);
  const [head = "", ...lines] = table([headings.map((each) => paint("dim", each)), ...cells]);
  return [
    head,
    ...credentials.flatMap((info, index) => [lines[index]!, ...trouble(info, paint, columns)]),
  ];
}

/** The share of its life that a token has left, 0 to 1; undefined without a known end. */
export function remaining(info: CredentialInfo, now: number): number | undefined {
  const { expiresAt, lastRefreshAt } = info;
  if (expiresAt === null) return undefined;
  const whole = expiresAt - (lastRefreshAt ?? now);
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, (expiresAt - now) / whole));
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** `share` of `columns` filled, to an eighth of a character. */
export function bar(share: number | undefined, columns: number, paint: Paint): string {
  if (share === undefined) return paint("dim", "·".repeat(columns));
  const eighths = Math.round(share * columns * 8);
  const filled = "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  const style = share > 0.5 ? "green" : share > 0.2 ? "yellow" : "red";
  return paint(style, filled) + paint("dim", "·".repeat(columns - [...filled].length));
}
