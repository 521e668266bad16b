import type { Command } from "commander";
import { messageOf } from "../errors.ts";
import { defaultSocketPath } from "../rpc/socket.ts";
import { callDaemon } from "./call-daemon.ts";
import { checkApprovals } from "./doctor/approvals.ts";
import { checkAudit } from "./doctor/audit.ts";
import { checkClock } from "./doctor/clock.ts";
import { checkConfiguration, checkCredentials } from "./doctor/credentials.ts";
import { checkDaemon, checkSocket } from "./doctor/daemon.ts";
import { gatherFacts, ownerOf, userOf } from "./doctor/facts.ts";
import { type Check, type Finding, type Patient, problem } from "./doctor/finding.ts";
import { checkFolders } from "./doctor/folders.ts";
import { checkReporting } from "./doctor/reporting.ts";
import { type Mark, type Score, score } from "./doctor/score.ts";
import { checkService } from "./doctor/service.ts";
import { checkUnsaved } from "./doctor/unsaved.ts";
import { checkVault } from "./doctor/vault.ts";
import { EXIT } from "./exit-code.ts";
import { print, printJson } from "./output.ts";
import { type Paint, painter, plain, type Style } from "./style.ts";

/** In the order in which they are told. */
const CHECKS: Readonly<Record<string, Check>> = {
  socket: checkSocket,
  daemon: checkDaemon,
  folders: checkFolders,
  "vault key": checkVault,
  disk: checkUnsaved,
  audit: checkAudit,
  approvals: checkApprovals,
  clock: checkClock,
  service: checkService,
  files: checkConfiguration,
  reporting: checkReporting,
  credentials: checkCredentials,
};

export function define(command: Command): void {
  command.option("--json", "for programs: every finding, and the score").action(doctor);
}

export const examples = ["authd doctor"];

async function doctor({ json = false }: { json?: boolean }): Promise<void> {
  const patient = await examine();
  const findings: Finding[] = [];
  for (const [about, check] of Object.entries(CHECKS)) {
    findings.push(...(await looked(about, check, patient)));
  }
  const ill = findings.some(({ level }) => level === "problem");
  process.exitCode = ill ? EXIT.failed : EXIT.done;
  const facts = await gatherFacts(patient, findings);
  const scored = facts && score(facts);
  if (json) return printJson({ ok: !ill, findings, ...(scored && { score: scored }) });
  const paint = painter(process.stdout);
  print(
    ...findings.flatMap((finding) => lines(finding, paint)),
    ...["", verdict(findings)],
    ...(scored ? scoreLines(scored, paint) : []),
  );
}

async function examine(): Promise<Patient> {
  const { env } = process;
  const patient = { env, now: Date.now(), credentials: [] };
  try {
    const daemon = await callDaemon("status", {}, 5_000);
    const { credentials } = await callDaemon("credentials/list", {}, 5_000);
    return { ...patient, daemon, credentials, ...whose(env, daemon.pid) };
  } catch {
    return { ...patient, ...whose(env) };
  }
}

/** Whose daemon it is, and whether its folders are known. */
function whose(env: NodeJS.ProcessEnv, pid?: number): Pick<Patient, "host" | "isElsewhere"> {
  const owner = (pid === undefined ? undefined : userOf(pid)) ?? ownerOf(defaultSocketPath(env));
  const own = process.geteuid?.();
  if (owner === undefined || own === undefined || owner === own) return { isElsewhere: false };
  const isKnown = env.AUTHD_CONFIG_DIR !== undefined && env.AUTHD_STATE_DIR !== undefined;
  return { host: owner, isElsewhere: !isKnown };
}

/** One check that fails must not hide what the others found. */
async function looked(about: string, check: Check, patient: Patient): Promise<Finding[]> {
  try {
    return await check(patient);
  } catch (error) {
    return [problem(about, messageOf(error))];
  }
}

const SIGNS: Readonly<Record<Finding["level"], { sign: string; style: Style }>> = {
  ok: { sign: "✔", style: "green" },
  warning: { sign: "⚠", style: "yellow" },
  problem: { sign: "✖", style: "red" },
};

function lines({ level, about, message, mend }: Finding, paint: Paint): string[] {
  const { sign, style } = SIGNS[level];
  const head = `${paint(style, sign)} ${paint("bold", plain(about).padEnd(14))} ${plain(message)}`;
  return mend === undefined ? [head] : [head, `  ${paint("dim", "→")} ${plain(mend)}`];
}

const MARKS: Readonly<Record<Mark, { sign: string; style: Style }>> = {
  holds: { sign: "✔", style: "green" },
  partly: { sign: "~", style: "yellow" },
  unknown: { sign: "?", style: "yellow" },
  fails: { sign: "✖", style: "red" },
};

/** Advice: nothing is broken where it says no. */
function scoreLines({ holds, of, against, next }: Score, paint: Paint): string[] {
  const rows = against.map(({ attacker, mark, why }) => {
    const { sign, style } = MARKS[mark];
    return `${paint(style, sign)} ${paint("bold", attacker.padEnd(16))} ${plain(why)}`;
  });
  const step = next === undefined ? [] : [`  ${paint("dim", "→")} next: ${plain(next)}`];
  const key = "✔ holds  ~ in part  ? can't be seen from here  ✖ does not hold";
  return ["", `Holds against ${holds} of ${of} attackers:`, ...rows, ...step, paint("dim", key)];
}

function verdict(findings: readonly Finding[]): string {
  const count = (level: Finding["level"]) => findings.filter((each) => each.level === level).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  if (problems === 0 && warnings === 0) return "Nothing is broken.";
  return `${problems} to mend, ${warnings} to look at.`;
}
