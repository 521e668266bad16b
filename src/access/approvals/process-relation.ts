/** Decides whether a process may answer a question of another: related processes may not. */

import { isInterpreter, isLauncher } from "../../base/interpreter.ts";
import type { Identity, ProcessInfo } from "../identity/identity.ts";

/** Facts of the kernel about a process and its ancestors. */
type Kin = Pick<Identity, "actor" | "chain" | "unit" | "userUnit">;

const RELATED =
  "Who asks can't answer, nor can what it started, what it was started by, or what shares its session, terminal, service or program: answer from a terminal of its own.";
const UNKNOWN = "Who answers can't be told: answer from a terminal.";
const NO_TERMINALS =
  "Windows does not tell which program a person uses, so only a passphrase shows that a person answers: give the vault one (authd vault rekey --to passphrase).";

/** What shows a person besides the relation. */
interface Circumstances {
  /** The answer counts only with the vault's passphrase. */
  needsPassphrase: boolean;
  platform?: NodeJS.Platform;
}

/**
 * Returns why `answerer` may not answer a question of `asker`; undefined if nothing shows that they are
 * related. A program that leaves its session, parents and service, and gets a terminal of its own,
 * can't be told from a person's. On Windows no terminal is known: there only a passphrase tells.
 */
export function whyMayNotAnswer(
  answerer: Kin,
  asker: Kin,
  { needsPassphrase, platform = process.platform }: Circumstances,
): string | undefined {
  const { actor } = answerer;
  if (platform === "win32") {
    if (!needsPassphrase) return NO_TERMINALS;
    return actor && areOneOrKin(answerer, asker) ? RELATED : undefined;
  }
  if (actor && areRelated(answerer, asker)) return RELATED;
  if (!actor || isLauncher(actor) || isOrphan(answerer)) return UNKNOWN;
  return undefined;
}

/** Unit that `authd service install --approve` installs: see systemd/authd-approve.service. */
const APPROVER = "authd-approve.service";

/**
 * Returns why a user of another user's daemon may not answer questions of that same user's programs. The
 * dialogs there come from a unit of the user, which has no terminal; any program of the user can pass
 * for that unit.
 */
export function whyGuestMayNotAnswer(answerer: Kin, asker: Kin): string | undefined {
  if (answerer.userUnit !== APPROVER) {
    return whyMayNotAnswer(answerer, asker, { needsPassphrase: false });
  }
  return areRelated(answerer, asker) ? RELATED : undefined;
}

/** True if one of them started the other, or they are one process or one program. */
function areOneOrKin(one: Kin, other: Kin): boolean {
  if (isAmong(one.actor, other) || isAmong(other.actor, one)) return true;
  return isSameProgram(one.actor, other.actor);
}

function areRelated(one: Kin, other: Kin): boolean {
  if (areOneOrKin(one, other)) return true;
  // A fork stays in its service.
  if (unitIn(one) === unitIn(other) && unitIn(one)?.endsWith(".service")) return true;
  const parent = one.chain.find((process) => isAmong(process, other));
  const [these, those] = [chainBelow(one, parent), chainBelow(other, parent)];
  if (shares(these, those, "session") || shares(these, those, "terminal")) return true;
  if (!parent) return false;
  // Children of a process in a terminal are related. The windows of a terminal emulator are not: each
  // has a terminal, and the emulator none.
  const isApart = (processes: readonly ProcessInfo[]) => processes.some(({ terminal }) => terminal);
  return parent.terminal !== undefined || !isApart(these) || !isApart(those);
}

/** Returns the innermost unit: all of a user's session is in one service of the system. */
const unitIn = ({ unit, userUnit }: Kin) => userUnit ?? unit;

function isSameProgram(one: ProcessInfo | undefined, other: ProcessInfo | undefined): boolean {
  if (one?.executable === undefined || one.executable !== other?.executable) return false;
  if (!isInterpreter(one.executable)) return true;
  return one.script !== undefined && one.script === other.script;
}

/** Returns the actor and its ancestors, up to `parent` or to a launcher, which starts everybody's programs. */
function chainBelow({ actor, chain }: Kin, parent: ProcessInfo | undefined): ProcessInfo[] {
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

/** True if neither it nor what started it, up to a launcher or as far as known, has a terminal: anybody may have started it. */
function isOrphan(one: Kin): boolean {
  return chainBelow(one, undefined).every(({ terminal }) => terminal === undefined);
}

/** True if `process` is in the chain. A launcher is ignored: it relates all programs. */
function isAmong(process: ProcessInfo | undefined, { chain }: Kin): boolean {
  if (!process || isLauncher(process)) return false;
  return chain.some((one) => isSame(one, process));
}

/** Compares the start time too: a pid is used again. */
function isSame(one: ProcessInfo, other: ProcessInfo): boolean {
  return one.pid === other.pid && one.startedAt === other.startedAt;
}
