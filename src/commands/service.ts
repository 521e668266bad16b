import { rmSync } from "node:fs";
import { connect } from "node:net";
import { AuthdError } from "../errors.ts";
import {
  type Installation,
  inspectService,
  installationOf,
  type ServiceReport,
} from "../service/index.ts";
import { launchOf } from "../service/launch.ts";
import type { ServiceManager, Step } from "../service/manager.ts";
import { versionManagerOf } from "../service/node-path.ts";
import { type FoundFile, put } from "../service/owned-file.ts";
import { perishable, problemsOf, WHY } from "../service/problems.ts";
import { type Answer, runTool } from "../service/tool.ts";
import { defaultSocketPath } from "../socket.ts";
import { EXIT } from "./exit-code.ts";

/** Where the command looks and speaks; tests have their own. */
export interface ServiceIo {
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  execPath: string;
  say(line: string): void;
  complain(line: string): void;
}

const TERMINAL: ServiceIo = {
  env: process.env,
  platform: process.platform,
  execPath: process.execPath,
  say: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
};

const ACTIONS = { install, uninstall } as const;

/**
 * `authd service install | uninstall | status`. Returns the exit code: 1 too if the files are
 * written but the service manager could not be told. Throws AuthdError where it must not act.
 */
export async function service(
  action: "install" | "uninstall" | "status",
  given: Partial<ServiceIo> = {},
): Promise<number> {
  const io = { ...TERMINAL, ...given };
  const installation = await installationOf(io.env, io.platform, io.execPath);
  if (!installation) return withoutManager(io);
  if (action === "status") return status(await inspectService(io.env, io.platform), io);
  return await ACTIONS[action](installation, io);
}

async function install(installation: Installation, io: ServiceIo): Promise<number> {
  const { manager, launch, wanted, found } = installation;
  for (const file of found) refuseForeign(file, manager);
  if (found.every(({ ownership }) => ownership === "absent")) await refuseRunning(io.env);
  for (const { path, content } of wanted) {
    put(path, content);
    io.say(`Wrote ${path}`);
  }
  for (const [name, value] of Object.entries(launch.variables))
    io.say(`It keeps ${name}=${value} of this shell.`);
  warnOfNode(launch.node, io);
  const paths = wanted.map(({ path }) => path);
  if (!(await carryOut(manager.start(paths), manager, io))) return EXIT.failed;
  io.say("authd is running, and starts by itself from now on.");
  for (const hint of await manager.hints(asker(io), io.env)) io.say(hint);
  return EXIT.done;
}

async function uninstall({ manager, found }: Installation, io: ServiceIo): Promise<number> {
  const ours = found.filter(({ ownership }) => ownership === "ours").map(({ path }) => path);
  const kept = found.filter(({ ownership }) => ["edited", "foreign"].includes(ownership));
  if (ours.length === 0 && kept.length === 0) {
    io.say("The service is not installed.");
    return EXIT.done;
  }
  const stopped = ours.length === 0 || (await carryOut(manager.stop(ours), manager, io));
  for (const path of ours) {
    rmSync(path, { force: true });
    io.say(`Removed ${path}`);
  }
  const forgotten = ours.length === 0 || !stopped || (await carryOut(manager.forget, manager, io));
  for (const file of kept) io.complain(`Left ${file.path} alone: it ${WHY[file.ownership]}.`);
  return stopped && forgotten && kept.length === 0 ? EXIT.done : EXIT.failed;
}

function status(report: ServiceReport, io: ServiceIo): number {
  if (!report.installed) {
    io.say("The service is not installed: authd service install");
    return EXIT.done;
  }
  const yes = (value: boolean | undefined) =>
    value === undefined ? "unknown" : value ? "yes" : "no";
  for (const { path, ownership } of report.files) io.say(`${path}: ${WHY[ownership]}`);
  io.say(`starts by itself: ${yes(report.enabled)}`);
  io.say(`running:          ${yes(report.active)}`);
  for (const [name, program] of Object.entries({ node: report.node, authd: report.main })) {
    if (!program) continue;
    const note = program.exists ? program.versionManager : "MISSING";
    io.say(`${`${name}:`.padEnd(17)} ${program.path}${note ? ` (${note})` : ""}`);
  }
  for (const problem of problemsOf(report)) io.complain(problem);
  return EXIT.done;
}

function refuseForeign({ path, ownership }: FoundFile, manager: ServiceManager): void {
  if (ownership === "absent" || ownership === "ours") return;
  const remedy =
    ownership === "edited"
      ? `To keep your changes, ${manager.customize}. Then delete the file and install again.`
      : "Move it out of the way, then install again.";
  throw new AuthdError(
    "request_failed",
    `${path} ${WHY[ownership]}; nothing was changed. ${remedy}`,
  );
}

/** A service beside a daemon that somebody started would fight with it for the vault. */
async function refuseRunning(env: NodeJS.ProcessEnv): Promise<void> {
  const path = defaultSocketPath(env);
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
  if (!answers) return;
  throw new AuthdError(
    "request_failed",
    `A daemon that was started by hand answers on ${path}; nothing was changed. ` +
      "End it (Ctrl-C where it runs), then install again.",
  );
}

function warnOfNode(node: string, io: ServiceIo): void {
  const manager = versionManagerOf(node);
  if (manager) io.complain(`Warning: ${perishable(node, manager)}`);
}

/** Runs all steps; where one fails, says why and what is left to type. */
async function carryOut(
  steps: readonly Step[],
  manager: ServiceManager,
  io: ServiceIo,
): Promise<boolean> {
  for (const [index, { argv, optional }] of steps.entries()) {
    const answer = await runTool(io.env, argv);
    if (answer.code === 0 || optional) continue;
    io.complain(`${manager.name} could not be told: ${reasonOf(argv[0], answer)}`);
    io.complain("Once it runs, type:");
    for (const left of steps.slice(index)) io.complain(`  ${left.argv.map(shellWord).join(" ")}`);
    return false;
  }
  return true;
}

function reasonOf(program: string, { code, stderr, stdout }: Answer): string {
  if (code === undefined) return `${program} is not there, or does not answer`;
  return (stderr || stdout).trim() || `${program} ended with ${code}`;
}

function asker(io: ServiceIo) {
  return (...argv: Step["argv"]) => runTool(io.env, argv);
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Says how a person starts the daemon where authd knows no service manager. */
async function withoutManager(io: ServiceIo): Promise<number> {
  io.complain(`authd knows no service manager on ${io.platform}.`);
  if (io.platform !== "win32") {
    io.complain("Have your session start this at login: authd serve");
    return EXIT.failed;
  }
  const { node, main } = await launchOf(io.env, io.execPath);
  io.complain("The Task Scheduler can start it whenever you log on. Type in a console:");
  io.complain(`  schtasks /Create /TN authd /SC ONLOGON /TR "\\"${node}\\" \\"${main}\\" serve"`);
  io.complain("and, to undo it:");
  io.complain("  schtasks /Delete /TN authd");
  return EXIT.failed;
}
