import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import { clientSocketPath } from "../rpc/socket.ts";
import { callDaemon } from "./call-daemon.ts";
import { checkCommand } from "./doctor/command.ts";
import { checkApprovals, checkConfiguration, checkCredentials } from "./doctor/credentials.ts";
import {
  checkClock,
  checkDaemon,
  checkService,
  checkSocket,
  checkSockets,
} from "./doctor/daemon.ts";
import { gatherFacts, ownerOf, userOf } from "./doctor/facts.ts";
import { type Check, type DoctorContext, type Finding, problem } from "./doctor/finding.ts";
import { checkFolders, checkReporting } from "./doctor/permissions.ts";
import { type Score, score, type Verdict } from "./doctor/score.ts";
import { checkAudit, checkDisk, checkStore, checkVault } from "./doctor/vault.ts";
import { EXIT } from "./exit-code.ts";
import { columns, print, printJson } from "./output.ts";
import { type Paint, painter, plain, type Style } from "./style.ts";
import { hanging } from "./wrap.ts";

/** Checks in the order in which they are printed, by the subject under which their errors are reported. */
const CHECKS: Readonly<Record<string, Check>> = {
  socket: checkSocket,
  daemon: checkDaemon,
  sockets: checkSockets,
  folders: checkFolders,
  "vault key": checkVault,
  disk: checkDisk,
  audit: checkAudit,
  store: checkStore,
  approvals: checkApprovals,
  clock: checkClock,
  service: checkService,
  command: checkCommand,
  files: checkConfiguration,
  reporting: checkReporting,
  credentials: checkCredentials,
};

export function define(command: Command): void {
  command.option("--json", "for programs: every finding, and the score").action(doctor);
}

export const examples = ["authd doctor"];

async function doctor({ json = false }: { json?: boolean }): Promise<void> {
  const context = await gatherContext();
  const findings: Finding[] = [];
  for (const [about, check] of Object.entries(CHECKS)) {
    findings.push(...(await runCheck(about, check, context)));
  }
  const isBroken = findings.some(({ level }) => level === "problem");
  process.exitCode = isBroken ? EXIT.failed : EXIT.done;
  const facts = await gatherFacts(context, findings);
  const scored = facts && score(facts);
  if (json) return printJson({ ok: !isBroken, findings, ...(scored && { score: scored }) });
  const paint = painter(process.stdout);
  print(
    ...findings.flatMap((finding) => findingLines(finding, paint)),
    ...["", summaryOf(findings)],
    ...(scored ? scoreLines(scored, paint) : []),
  );
}

async function gatherContext(): Promise<DoctorContext> {
  const { env } = process;
  const context = { env, now: Date.now(), credentials: [] };
  try {
    const daemon = await callDaemon("status", {}, 5_000);
    const { credentials } = await callDaemon("credentials/list", {}, 5_000);
    return { ...context, daemon, credentials, ...hostOf(env, daemon.pid) };
  } catch {
    return { ...context, ...hostOf(env) };
  }
}

/** Finds the user whose daemon it is, and whether its folders are known. */
function hostOf(env: NodeJS.ProcessEnv, pid?: number): Pick<DoctorContext, "host" | "isElsewhere"> {
  const owner = (pid === undefined ? undefined : userOf(pid)) ?? ownerOf(clientSocketPath(env));
  const own = process.geteuid?.();
  if (owner === undefined || own === undefined || owner === own) return { isElsewhere: false };
  const isKnown = env.AUTHD_CONFIG_DIR !== undefined && env.AUTHD_STATE_DIR !== undefined;
  return { host: owner, isElsewhere: !isKnown };
}

/** Turns an error of a check into a problem, so that it does not hide what the others found. */
async function runCheck(about: string, check: Check, context: DoctorContext): Promise<Finding[]> {
  try {
    return await check(context);
  } catch (error) {
    return [problem(about, messageOf(error))];
  }
}

const SIGNS: Readonly<Record<Finding["level"], { sign: string; style: Style }>> = {
  ok: { sign: "✔", style: "green" },
  unknown: { sign: "?", style: "dim" },
  warning: { sign: "⚠", style: "yellow" },
  problem: { sign: "✖", style: "red" },
};

function findingLines({ level, about, message, fix }: Finding, paint: Paint): string[] {
  const { sign, style } = SIGNS[level];
  const head = `${paint(style, sign)} ${paint("bold", plain(about).padEnd(14))}`;
  const lines = hanging(head, plain(message), columns());
  return fix === undefined ? lines : [...lines, `  ${paint("dim", "→")} ${plain(fix)}`];
}

const VERDICTS: Readonly<Record<Verdict, { sign: string; style: Style }>> = {
  holds: { sign: "✔", style: "green" },
  partly: { sign: "~", style: "yellow" },
  unknown: { sign: "?", style: "yellow" },
  fails: { sign: "✖", style: "red" },
};

/** Formats the score. It is advice: an attacker against whom a set-up does not hold is no failure. */
function scoreLines({ holds, of, against, next }: Score, paint: Paint): string[] {
  const rows = against.flatMap(({ attacker, mark, why }) => {
    const { sign, style } = VERDICTS[mark];
    const head = `${paint(style, sign)} ${paint("bold", attacker.padEnd(16))}`;
    return hanging(head, plain(why), columns());
  });
  const step = next === undefined ? [] : [`  ${paint("dim", "→")} next: ${plain(next)}`];
  const key = "✔ holds  ~ in part  ? can't be seen from here  ✖ does not hold";
  const last = hanging("", key, columns()).map((line) => paint("dim", line.trim()));
  return ["", `Holds against ${holds} of ${of} attackers:`, ...rows, ...step, ...last];
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (level: Finding["level"]) => findings.filter((each) => each.level === level).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  if (problems === 0 && warnings === 0) return "Nothing is broken.";
  return `${problems} to mend, ${warnings} to look at.`;
}
