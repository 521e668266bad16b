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
  since?: string;
}

/** How often `--follow` looks, ms. */
const LOOK_EVERY = 300;
/** Lines are put out together: a log may have hundreds of thousands. */
const TOGETHER = 1_000;

/** Reads the files themselves: no daemon is needed. */
export async function show(options: ShowOptions): Promise<void> {
  const path = join(stateDir(process.env), "audit.log");
  const since = options.since === undefined ? 0 : Date.now() - lengthOf(options.since);
  const paint = painter(process.stdout);
  const shown = (line: AuditLine) => (options.json ? JSON.stringify(line) : inWords(line, paint));
  let last = 0;
  const put = (files: readonly string[]) => {
    let lines: string[] = [];
    for (const line of read(files)) {
      if (line.n <= last) continue;
      last = line.n;
      if ((line.until ?? line.time) < since) continue;
      if (options.credential !== undefined && line.credential !== options.credential) continue;
      lines.push(shown(line));
      if (lines.length < TOGETHER) continue;
      print(...lines);
      lines = [];
    }
    print(...lines);
  };
  put(existing(path).reverse());
  for (let seen = stamp(path); options.follow; ) {
    await sleep(LOOK_EVERY);
    const now = stamp(path);
    if (now === seen) continue;
    // What was added last may have been set aside since.
    put([`${path}.1`, path].filter((file) => lstatSync(file, { throwIfNoEntry: false })));
    seen = now;
  }
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

/** One line for people; whatever others have chosen in it can't steer the terminal. */
export function inWords(line: AuditLine, paint: Paint): string {
  const { time, event, method, credential, request, origin, status, outcome, token } = line;
  const what = [
    method ?? event,
    ...(request === undefined ? [] : [request]),
    ...(origin === undefined ? [] : [origin]),
    ...(status === undefined ? [] : [`→ ${status}`]),
    ...(line.refreshed ? ["(token renewed)"] : []),
    ...(line.question === undefined ? [] : [`question ${line.question}`]),
    ...(line.answer === undefined ? [] : [line.answer]),
    outcome,
    ...(line.rule === undefined ? [] : [`by ${line.rule}`]),
    ...(token === undefined ? [] : [`token ${token}`]),
    ...(line.lost === undefined ? [] : [`${line.lost} lines`]),
    ...(line.count === undefined ? [] : [`${line.count} times`]),
    ...(line.withheld ? ["(the answer was withheld)"] : []),
  ].join(" ");
  const style = STYLES[event];
  const said = plain(what);
  const name = plain(credential ?? "authd");
  const who = line.peer ? ` ${paint("dim", plain(inWordsPeer(line.peer)))}` : "";
  return `${paint("dim", moment(time))} ${paint("bold", name)} ${style ? paint(style, said) : said}${who}`;
}

function inWordsPeer({ uid, pid, program, script, unit }: AuditPeer): string {
  const who = [program ?? "unknown program", ...(script === undefined ? [] : [script])].join(" ");
  const where = [
    ...(pid === undefined ? [] : [`process ${pid}`]),
    ...(uid === undefined ? [] : [`user ${uid}`]),
    ...(unit === undefined ? [] : [unit]),
  ];
  return where.length === 0 ? who : `${who} (${where.join(", ")})`;
}
