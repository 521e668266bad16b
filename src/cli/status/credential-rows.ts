import type { CredentialInfo } from "../../protocol.ts";
import { appearance } from "../credentials.ts";
import { cut, type Paint, plain, width } from "../style.ts";
import { duration, fromNow } from "../times.ts";

/** The parts of a row, in their order on the screen. */
type Column = "name" | "api" | "state" | "life" | "expires" | "used" | "next";

const HEADINGS: Readonly<Record<Column, string>> = {
  name: "NAME",
  api: "API",
  state: "STATE",
  life: "LIFE",
  expires: "EXPIRES",
  used: "LAST USE",
  next: "NEXT REFRESH",
};

/** Columns that go first where there is no room for all. */
const DROPPED: readonly Column[] = ["life", "used", "next", "api", "expires"];
const GAP = "  ";
/** Columns of the bar, at least and at most. */
const BAR = { least: 6, most: 20 };
/** Columns that an API's host keeps before it is left out, and a name before all else is. */
const LEAST = { api: 10, name: 8 };

export interface RowOptions {
  now: number;
  /** Columns of the terminal, or Infinity. */
  columns: number;
  paint: Paint;
  /** Draws the share of its life that each token has left. */
  withBar?: boolean;
}

/** Lays out credentials as rows of one width: their headings, and one line for each of them. */
export interface Rows {
  heading: string;
  row(info: CredentialInfo): string;
}

/**
 * Chooses the columns that fit for `infos`, all of which count for their widths, so that rows do not
 * move sideways while a list is scrolled. Names are cut only where nothing else is left to leave out.
 */
export function layOutRows(infos: readonly CredentialInfo[], options: RowOptions): Rows {
  const { columns, paint, withBar = false } = options;
  const shown = (Object.keys(HEADINGS) as Column[]).filter((one) => one !== "life" || withBar);
  const widths = new Map(shown.map((column) => [column, widthOf(column, infos, options.now)]));
  for (const column of DROPPED) {
    if (total(widths) <= columns) break;
    if (column === "api" && shrink(widths, "api", columns)) break;
    widths.delete(column);
  }
  shrink(widths, "name", columns);
  const life = widths.get("life");
  if (life !== undefined) {
    widths.set("life", Math.min(BAR.most, life + columns - total(widths)));
  }
  const line = (cell: (column: Column, most: number) => string) => {
    const cells = [...widths].map(([column, most]) => {
      const text = cell(column, most);
      return text + " ".repeat(Math.max(0, most - width(text)));
    });
    return cut(cells.join(GAP).trimEnd(), columns);
  };
  return {
    heading: line((column, most) => paint("dim", cut(HEADINGS[column], most))),
    row: (info) => line((column, most) => cellOf(column, info, most, options)),
  };
}

/** Makes a column narrower until the rows fit; false if it would become too narrow. */
function shrink(widths: Map<Column, number>, column: "api" | "name", columns: number): boolean {
  const now = widths.get(column) ?? 0;
  const wanted = now - Math.max(0, total(widths) - columns);
  widths.set(column, Math.max(Math.min(now, LEAST[column]), wanted));
  return wanted >= LEAST[column] || wanted === now;
}

const total = (widths: ReadonlyMap<Column, number>) =>
  [...widths.values()].reduce((sum, one) => sum + one, (widths.size - 1) * GAP.length);

function widthOf(column: Column, infos: readonly CredentialInfo[], now: number): number {
  if (column === "life") return BAR.least;
  let widest = HEADINGS[column].length;
  for (const info of infos) widest = Math.max(widest, width(textOf(column, info, now)));
  return widest;
}

function cellOf(column: Column, info: CredentialInfo, most: number, options: RowOptions): string {
  const { now, paint } = options;
  if (column === "life") return lifeBar(remainingLife(info, now), most, paint);
  const text = cut(textOf(column, info, now), most);
  return column === "state" ? paint(appearance(info, now).style, text) : text;
}

function textOf(column: Exclude<Column, "life">, info: CredentialInfo, now: number): string {
  if (column === "name") return plain(info.name);
  if (column === "api") return apiOf(info);
  if (column === "state") {
    const { sign, words } = appearance(info, now);
    return `${sign} ${words}`;
  }
  if (column === "expires") return timeLeft(info, now);
  if (column === "used") {
    return info.lastAskedAt === undefined ? "never" : fromNow(info.lastAskedAt, now);
  }
  return nextRefresh(info, now);
}

/** Returns the host of the first origin; without one the preset, or the grant. */
export function apiOf({ origins: [origin = ""], preset, grant }: CredentialInfo): string {
  return plain(URL.canParse(origin) ? new URL(origin).host : (preset ?? grant));
}

function timeLeft({ expiresAt }: CredentialInfo, now: number): string {
  if (expiresAt === null) return "–";
  return expiresAt <= now ? "over" : fromNow(expiresAt, now);
}

/** Returns when the daemon will ask the issuer next, on its own. */
function nextRefresh({ retryAt, refreshAt }: CredentialInfo, now: number): string {
  const at = retryAt ?? refreshAt;
  if (at === null) return "–";
  return at <= now ? "now" : `in ${duration(at - now)}`;
}

/** Returns the share of its life that a token has left, 0 to 1; undefined without a known end. */
export function remainingLife(info: CredentialInfo, now: number): number | undefined {
  const { expiresAt, lastRefreshAt } = info;
  if (expiresAt === null) return undefined;
  const whole = expiresAt - (lastRefreshAt ?? now);
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, (expiresAt - now) / whole));
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** Draws `share` of `columns` filled, to an eighth of a character. */
export function lifeBar(share: number | undefined, columns: number, paint: Paint): string {
  if (share === undefined) return paint("dim", "·".repeat(columns));
  const eighths = Math.round(share * columns * 8);
  const filled = "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  const style = share > 0.5 ? "green" : share > 0.2 ? "yellow" : "red";
  return paint(style, filled) + paint("dim", "·".repeat(columns - [...filled].length));
}
