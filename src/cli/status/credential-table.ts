import type { CredentialInfo } from "../../protocol.ts";
import { cut, type Paint, plain } from "../style.ts";
import { arrange, type Sort } from "./arrange.ts";
import { layOutRows } from "./credential-rows.ts";

export interface TableOptions {
  now: number;
  /** Columns of the terminal, or Infinity. */
  columns: number;
  paint: Paint;
  sort?: Sort;
}

/** Tells of each credential on one line, and of its last error below where there is one. */
export function credentialTable(
  credentials: readonly CredentialInfo[],
  { sort = "name", ...options }: TableOptions,
): string[] {
  const arranged = arrange(credentials, sort);
  const { heading, row } = layOutRows(arranged, options);
  const lines = (info: CredentialInfo) => [row(info), ...trouble(info, options)];
  return [heading, ...arranged.flatMap(lines)];
}

/** Tells what the disk does not take, a fault or a note beside a token, or the last error of a credential that is not well. */
function trouble(info: CredentialInfo, { paint, columns }: TableOptions): string[] {
  if (info.unsaved)
    return [cut(paint("red", `  └ not on disk: ${plain(info.unsaved.message)}`), columns)];
  // Of a locked vault the whole list is told once.
  const [note] = [...(info.troubles ?? []), ...(info.notes ?? [])];
  if (note && info.state === "ready") {
    return [cut(paint("dim", `  └ ${plain(note.message)}`), columns)];
  }
  if (!info.lastError || info.state === "ready" || info.state === "locked") return [];
  return [cut(paint("dim", `  └ ${plain(info.lastError.message)}`), columns)];
}
