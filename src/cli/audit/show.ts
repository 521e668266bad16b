import { lstatSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuditLine, AuditPeer } from "../../audit/entry.ts";
import { existing, linesOf, parseLine } from "../../audit/files.ts";
import { stateDir } from "../../config/directories.ts";
import { lengthOf } from "../events.ts";
import { print } from "../output.ts";
import { type Paint, painter, plain, type Style } from "../style.ts";
import { moment } from "../times.ts";

interface ShowOptions {
  follow?: boolean;
  json?: boolean;
  credential?: string;
  host?: string;
  since?: string;
}

/** Interval at which `--follow` checks the file. */
const CHECK_INTERVAL_MS = 300;
/** Number of lines that are printed together: a log may have hundreds of thousands. */
const BATCH_SIZE = 1_000;

/** Prints the log from its files; no daemon is needed. */
export async function show(options: ShowOptions): Promise<void> {
  const path = join(stateDir(process.env), "audit.log");
  const since = options.since === undefined ? 0 : Date.now() - lengthOf(options.since);
  const paint = painter(process.stdout);
  const format = (line: AuditLine) => (options.json ? JSON.stringify(line) : inWords(line, paint));
  const isWanted = ({ time, until = time, credential, host }: AuditLine) =>
    until >= since && fits(options.credential, credential) && fits(options.host, host);
  let last = 0;
  const printNew = (files: readonly string[]) => {
    const lines: string[] = [];
    for (const line of read(files)) {
      if (line.n <= last) continue;
      last = line.n;
      if (isWanted(line)) lines.push(format(line));
      if (lines.length >= BATCH_SIZE) print(...lines.splice(0));
    }
    print(...lines);
  };
  printNew(existing(path).reverse());
  for (let before = stamp(path); options.follow; ) {
    await sleep(CHECK_INTERVAL_MS);
    const now = stamp(path);
    if (now === before) continue;
    // The last lines may be in the file that was rotated since.
    printNew([`${path}.1`, path].filter((file) => lstatSync(file, { throwIfNoEntry: false })));
    before = now;
  }
}

function fits(wanted: string | undefined, is: string | undefined): boolean {
  return wanted === undefined || is === wanted;
}

function* read(files: readonly string[]): Generator<AuditLine> {
  for (const file of files) {
    for (const { bytes, cut } of linesOf(file)) {
      const line = cut ? undefined : parseLine(bytes);
      if (line) yield line;
    }
  }
}

function stamp(path: string): string {
  const { ino = 0, size = 0 } = lstatSync(path, { throwIfNoEntry: false }) ?? {};
  return `${ino} ${size}`;
}

const STYLES: Readonly<Partial<Record<string, Style>>> = {
  refusal: "red",
  change: "yellow",
  approval: "cyan",
  lock: "yellow",
};

/** Formats a line for people, without control characters. */
export function inWords(line: AuditLine, paint: Paint): string {
  const { time, event, method, credential, request, origin, status, outcome, token } = line;
  const when = (value: unknown, text: string) => (value === undefined ? undefined : text);
  const parts = [
    ...[method ?? event, request, origin, when(status, `→ ${status}`)],
    line.refreshed ? "(token renewed)" : undefined,
    ...[when(line.question, `question ${line.question}`), line.answer, outcome],
    ...[when(line.rule, `by ${line.rule}`), when(token, `token ${token}`)],
    ...[when(line.lost, `${line.lost} lines`), when(line.count, `${line.count} times`)],
    line.withheld ? "(the answer was withheld)" : undefined,
    when(line.host, `on ${line.host}`),
  ];
  const what = parts.filter((part) => part !== undefined).join(" ");
  const style = STYLES[event];
  const said = plain(what);
  const name = plain(credential ?? "authd");
  const who = line.peer ? ` ${paint("dim", plain(inWordsPeer(line.peer)))}` : "";
  return `${paint("dim", moment(time))} ${paint("bold", name)} ${style ? paint(style, said) : said}${who}`;
}

function inWordsPeer({ uid, pid, program, script, unit, pod, socket }: AuditPeer): string {
  const who = [program ?? "unknown program", ...(script === undefined ? [] : [script])].join(" ");
  const where = [
    ...(pid === undefined ? [] : [`process ${pid}`]),
    ...(uid === undefined ? [] : [`user ${uid}`]),
    ...(unit === undefined ? [] : [unit]),
    ...(pod === undefined ? [] : [`pod ${pod}`]),
    ...(socket === undefined ? [] : [`socket ${socket}`]),
  ];
  return where.length === 0 ? who : `${who} (${where.join(", ")})`;
}
