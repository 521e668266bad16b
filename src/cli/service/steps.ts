/** Runs the steps of `authd service`. */
import { rmSync } from "node:fs";
import { shellWord } from "../../base/shell-word.ts";
import { AuthdError } from "../../errors.ts";
import { defaultSocketPath } from "../../rpc/socket.ts";
import type { Installation } from "../../service/index.ts";
import type { ServiceManager, Step } from "../../service/manager.ts";
import { type FoundFile, put } from "../../service/owned-file.ts";
import { WHY } from "../../service/problems.ts";
import { type Answer, runTool } from "../../service/tool.ts";
import { EXIT } from "../exit-code.ts";
import { deleteTokenFiles } from "./token-files.ts";

/** Environment and output of the command; tests have their own. */
export interface ServiceIo {
  env: NodeJS.ProcessEnv;
  platform: NodeJS.Platform;
  execPath: string;
  /** Path of the native command, which need not be there. */
  native: string;
  say(line: string): void;
  complain(line: string): void;
}

/** Throws AuthdError for a file that must not be replaced: authd did not write it, or it was edited. */
export function refuseForeign({ path, ownership }: FoundFile, manager: ServiceManager): void {
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

/** Writes all files of an installation. */
export function putAll({ wanted }: Installation, io: ServiceIo): void {
  for (const { path, content } of wanted) {
    put(path, content);
    io.say(`Wrote ${path}`);
  }
}

/**
 * Stops the service and removes its files, but for those that authd did not write as they are. Its daemon, at
 * `socket`, deletes its token files first.
 */
export async function removeAll(
  { manager, found }: Installation,
  io: ServiceIo,
  socket = defaultSocketPath(io.env, io.platform),
): Promise<number> {
  const ours = found.filter(({ ownership }) => ownership === "ours").map(({ path }) => path);
  const kept = found.filter(({ ownership }) => ["edited", "foreign"].includes(ownership));
  if (ours.length === 0 && kept.length === 0) {
    io.say("The service is not installed.");
    return EXIT.done;
  }
  if (ours.length > 0 && !manager.isClient) await deleteTokenFiles(socket, io);
  const stopped = ours.length === 0 || (await stopAll(manager, ours, io));
  for (const path of ours) {
    rmSync(path, { force: true });
    io.say(`Removed ${path}`);
  }
  const forgotten = ours.length === 0 || !stopped || (await carryOut(manager.forget, manager, io));
  for (const file of kept) io.complain(`Left ${file.path} alone: it ${WHY[file.ownership]}.`);
  return stopped && forgotten && kept.length === 0 ? EXIT.done : EXIT.failed;
}

async function stopAll(
  manager: ServiceManager,
  paths: readonly string[],
  io: ServiceIo,
): Promise<boolean> {
  const outdated = (await manager.outdated?.(paths, asker(io))) ?? [];
  return await carryOut([...manager.stop(paths), ...outdated], manager, io);
}

/** Runs all steps. If one fails, prints why, and the commands that are left to type. */
export async function carryOut(
  steps: readonly Step[],
  manager: Pick<ServiceManager, "name">,
  io: ServiceIo,
): Promise<boolean> {
  for (const [index, { argv, optional }] of steps.entries()) {
    const answer = await runTool(io.env, argv);
    if (answer.code === 0 || optional) continue;
    io.complain(`${manager.name} could not be told: ${reasonOf(argv[0], answer)}`);
    if (/failed to connect to (user scope )?bus/i.test(answer.stderr)) io.complain(NO_BUS);
    io.complain("Once it runs, type:");
    for (const left of steps.slice(index)) io.complain(`  ${left.argv.map(shellWord).join(" ")}`);
    return false;
  }
  return true;
}

/** Said where su, sudo or cron left the session behind. */
const NO_BUS =
  "There is no session of this user here, as under su, sudo and cron: log in as this user (ssh, machinectl shell USER@), or run loginctl enable-linger USER once and set XDG_RUNTIME_DIR=/run/user/UID. Without systemd: authd serve.";

function reasonOf(program: string, { code, stderr, stdout }: Answer): string {
  if (code === undefined) return `${program} is not there, or does not answer`;
  return (stderr || stdout).trim() || `${program} ended with ${code}`;
}

export function asker(io: ServiceIo) {
  return (...argv: Step["argv"]) => runTool(io.env, argv);
}
