import type { Problem } from "../../protocol.ts";
import { NO_CREDENTIALS } from "../credentials.ts";
import { cut, type Paint, plain } from "../style.ts";
import { layOutRows, type RowOptions } from "./credential-rows.ts";
import { headline, problemLine, stateCounts } from "./summary.ts";
import type { View } from "./view.ts";

export interface Size {
  columns: number;
  rows: number;
}

/** Problems that are listed above the credentials, as a share of the screen. */
const PROBLEMS_SHARE = 1 / 3;

/**
 * Draws a view for a terminal of `size`: never more lines than rows, none longer than the columns.
 * Moves `view.top` so that the selected credential is among them, and sets `view.page`.
 */
export function drawScreen(view: View, now: number, size: Size, paint: Paint): string[] {
  const { columns, rows } = size;
  if (view.story) return drawStory(view, view.story, size, paint);
  const head = drawHead(view, now, size, paint);
  const room = Math.max(1, rows - head.length - 1);
  const body = drawList(view, room, { now, columns, paint, withBar: true });
  const foot = paint("dim", cut(footer(view), columns));
  return [...head, ...body, foot].slice(0, rows);
}

function drawHead(view: View, now: number, size: Size, paint: Paint): string[] {
  const { columns, rows } = size;
  const { daemon, offline } = view;
  const lines = [paint("bold", cut(daemon ? headline(daemon, now) : "authd", columns))];
  if (offline !== undefined) lines.push(paint("red", cut(plain(offline), columns)));
  if (!daemon) return lines;
  const counts = stateCounts(daemon);
  if (counts !== "") lines.push(cut(counts, columns));
  const most = Math.max(1, Math.floor(rows * PROBLEMS_SHARE) - 1);
  lines.push(...drawProblems(daemon.problems ?? [], most, columns, paint));
  return rows < lines.length + 4 ? lines.slice(0, 1) : [...lines, ""];
}

function drawProblems(
  problems: readonly Problem[],
  most: number,
  columns: number,
  paint: Paint,
): string[] {
  const shown = problems.length <= most ? problems : problems.slice(0, most - 1);
  const lines = shown.map((problem) => cut(problemLine(problem, paint), columns));
  const more = problems.length - shown.length;
  return more > 0 ? [...lines, cut(`  … ${more} more problems`, columns)] : lines;
}

function drawList(view: View, room: number, options: RowOptions): string[] {
  const { arranged, selectedIndex } = view;
  const { columns, paint } = options;
  if (arranged.length === 0) {
    const nothing = view.filter === "" ? NO_CREDENTIALS : `Nothing has "${view.filter}" in it.`;
    return view.offline === undefined ? [cut(nothing, columns)] : [];
  }
  const page = Math.max(1, room - 1);
  view.page = page;
  view.top = Math.max(0, Math.min(view.top, arranged.length - page));
  if (selectedIndex < view.top) view.top = selectedIndex;
  if (selectedIndex >= view.top + page) view.top = selectedIndex - page + 1;
  const shown = arranged.slice(view.top, view.top + page);
  const measured = arranged.length > MEASURED_ROWS ? shown : arranged;
  const rows = layOutRows(measured, { ...options, columns: Math.max(1, columns - MARK.length) });
  const lines = shown.map(
    (info, index) =>
      (view.top + index === selectedIndex ? paint("bold", MARK) : " ".repeat(MARK.length)) +
      rows.row(info),
  );
  return [" ".repeat(MARK.length) + rows.heading, ...lines].map((line) => cut(line, columns));
}

const MARK = "›";

/** More rows than these do not count for the widths: with 10,000 credentials that takes milliseconds. */
const MEASURED_ROWS = 1_000;

function drawStory(
  view: View,
  story: NonNullable<View["story"]>,
  { columns, rows }: Size,
  paint: Paint,
): string[] {
  const room = Math.max(1, rows - 1);
  view.page = room;
  view.top = Math.max(0, Math.min(view.top, story.lines.length - room));
  const foot = plain(view.message ?? "↑↓ scroll · r renew · q back");
  return [
    ...story.lines.slice(view.top, view.top + room).map((line) => cut(line, columns)),
    paint("dim", cut(foot, columns)),
  ].slice(0, rows);
}

function footer({ message, isTyping, filter, sort, arranged, credentials, questions }: View) {
  if (message !== undefined) return plain(message);
  if (isTyping) return `/${filter}▏ Enter keeps it, Esc ends it`;
  const found = filter === "" ? "" : `${arranged.length} of ${credentials.length} · `;
  const approve = questions > 0 ? ` · a approve (${questions})` : "";
  return `${found}↑↓ · / filter · s sort: ${sort} · Enter story · r renew${approve} · q quit`;
}
