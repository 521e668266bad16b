/** Whether who answers a question can be told from who asked it, by what the kernel says of both. */

import { isInterpreter, isLauncher } from "../../base/interpreter.ts";
import type { Identity, ProcessInfo } from "../identity/identity.ts";

type Family = Pick<Identity, "actor" | "chain" | "unit" | "userUnit">;

const RELATED =
  "Who asks can't answer, nor can what it started, what it was started by, or what shares its session, terminal, service or program: answer from a terminal of its own.";
const UNKNOWN = "Who answers can't be told: answer from a terminal.";

/**
 * Why `answerer` may not answer what `asker` asks; undefined if nothing shows that they belong together.
 * A program that leaves its session, its parents and its service behind, and gets a terminal of its
 * own, can't be told from a person's.
 */
export function whyNotApart(answerer: Family, asker: Family): string | undefined {
  if (answerer.actor && areRelated(answerer, asker)) return RELATED;
  if (!answerer.actor || isLauncher(answerer.actor) || isOrphan(answerer)) return UNKNOWN;
  return undefined;
}

/** What `authd service install --approve` installs: see systemd/authd-approve.service. */
const APPROVER = "authd-approve.service";

/**
 * The same for a user who answers for programs of that same user on another user's daemon. There the dialogs
 * come from a unit of that user's, which has no terminal; any program of the user can pass for it.
 */
export function whyGuestNotApart(answerer: Family, asker: Family): string | undefined {
  if (answerer.userUnit !== APPROVER) return whyNotApart(answerer, asker);
  return areRelated(answerer, asker) ? RELATED : undefined;
}

function areRelated(one: Family, other: Family): boolean {
  if (isAmong(one.actor, other) || isAmong(other.actor, one)) return true;
  if (isSameProgram(one.actor, other.actor)) return true;
  // Inside a service nobody gets out of it by forking.
  if (unitIn(one) === unitIn(other) && unitIn(one)?.endsWith(".service")) return true;
  const parent = one.chain.find((process) => isAmong(process, other));
  const [these, those] = [below(one, parent), below(other, parent)];
  if (shares(these, those, "session") || shares(these, those, "terminal")) return true;
  if (!parent) return false;
  // What a program in a terminal starts, with or without another terminal, is that program's. The
  // windows of a terminal emulator have one each, and the emulator none.
  const isApart = (processes: readonly ProcessInfo[]) => processes.some(({ terminal }) => terminal);
  return parent.terminal !== undefined || !isApart(these) || !isApart(those);
}

/** All of a user's session is in one service of the system's: the unit inside of that counts. */
const unitIn = ({ unit, userUnit }: Family) => userUnit ?? unit;

function isSameProgram(one: ProcessInfo | undefined, other: ProcessInfo | undefined): boolean {
  if (one?.executable === undefined || one.executable !== other?.executable) return false;
  if (!isInterpreter(one.executable)) return true;
  return one.script !== undefined && one.script === other.script;
}

/** The actor and its parents, up to `parent` and to what starts everybody's programs. */
function below({ actor, chain }: Family, parent: ProcessInfo | undefined): ProcessInfo[] {
  const own = actor ? chain.slice(chain.indexOf(actor)) : [];
  const end = own.findIndex((one) => isLauncher(one) || (parent && isSame(one, parent)));
  return end === -1 ? own : own.slice(0, end);
}

function shares(
  these: readonly ProcessInfo[],
  those: readonly ProcessInfo[],
  what: "session" | "terminal",
): boolean {
  return these.some(
    (one) => one[what] !== undefined && those.some((two) => one[what] === two[what]),
  );
}

/** Its parent has ended, or starts everybody's programs, and no terminal is there: who knows whose it is. */
function isOrphan({ actor, chain }: Family): boolean {
  if (!actor || actor.terminal !== undefined) return false;
  const parent = chain[chain.indexOf(actor) + 1];
  return parent !== undefined && isLauncher(parent);
}

/** What starts everybody's programs makes nobody related. */
function isAmong(process: ProcessInfo | undefined, { chain }: Family): boolean {
  if (!process || isLauncher(process)) return false;
  return chain.some((one) => isSame(one, process));
}

/** A number alone would be another process's one day. */
function isSame(one: ProcessInfo, other: ProcessInfo): boolean {
  return one.pid === other.pid && one.startedAt === other.startedAt;
}
