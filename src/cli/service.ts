import { connect } from "node:net";
import type { Command } from "commander";
import { NATIVE_COMMAND } from "../base/native-command.ts";
import { AuthdError } from "../errors.ts";
import { defaultSocketPath } from "../rpc/socket.ts";
import {
  type Installation,
  inspectService,
  installationOf,
  type Scope,
  type ServiceReport,
  serviceManagers,
} from "../service/index.ts";
import { versionManagerOf } from "../service/node-path.ts";
import { perishable, problemsOf, WHY } from "../service/problems.ts";
import { EXIT } from "./exit-code.ts";
import { addNativeLinks, removeNativeLinks } from "./service/native-link.ts";
import type { RemoveOptions } from "./service/remove-system.ts";
import {
  asker,
  carryOut,
  putAll,
  refuseForeign,
  removeAll,
  type ServiceIo,
} from "./service/steps.ts";
import type { SystemOptions } from "./service/system.ts";

export async function define(command: Command): Promise<void> {
  const { Argument } = await import("commander");
  command
    .addArgument(new Argument("<action>", "what to do").choices(["install", "uninstall", "status"]))
    .option("--system", "one daemon for all users, under a user of its own; as root")
    .option("--user <user>", "whom install --system lets in; by default who called sudo")
    .option("--let-in", "with --system: let that user in")
    .option(
      "--take-over",
      "with --system: let that user in, and move the vault of that user's authd here",
    )
    .option(
      "--purge",
      "with uninstall: delete settings, vault and key, too; with --system also the accounts",
    )
    .option("--yes", "do not ask whether to purge")
    .option("--approve", "what asks you on the desktop what a system-wide daemon wants to know")
    .action(async (action: Action, options: ServiceOptions) => {
      process.exitCode = await service(action, options);
    });
}

export const examples = ["authd service install", "sudo authd service install --system"];

/** Options of `authd service`; each is for some actions only. */
export interface ServiceOptions extends SystemOptions, RemoveOptions {
  system?: boolean;
  approve?: boolean;
}

type Action = "install" | "uninstall" | "status";

const TERMINAL: ServiceIo = {
  env: process.env,
  platform: process.platform,
  execPath: process.execPath,
  native: NATIVE_COMMAND,
  say: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
};

const ACTIONS = {
  install,
  uninstall: (installation: Installation, io: ServiceIo) => removeAll(installation, io),
} as const;

/** For each action, the options that may stand beside `--system`. */
const SYSTEM_OPTIONS: Record<Action, readonly (keyof ServiceOptions)[]> = {
  install: ["user", "letIn", "takeOver"],
  uninstall: ["purge", "yes"],
  status: [],
};

/**
 * Installs, removes or reports the service. Returns the exit code, which is 1 too if the files are
 * written but the service manager could not be told. Throws AuthdError where it must not act.
 */
export async function service(
  action: Action,
  options: ServiceOptions = {},
  given: Partial<ServiceIo> = {},
): Promise<number> {
  const io = { ...TERMINAL, ...given };
  assertOptionsFit(action, options);
  const scope: Scope = options.system ? "system" : options.approve ? "approver" : "user";
  if (!serviceManagers[scope][io.platform]) return withoutManager(scope, io);
  if (action === "status")
    return status(await inspectService(io.env, io.platform, scope), scope, io);
  if (scope === "system") return await onSystem(action, options, io);
  const installation = await installationOf(io.env, io.platform, io.execPath, scope);
  if (!installation) return EXIT.failed;
  const code = options.purge
    ? await (await import("./service/purge.ts")).purge(installation, options, io)
    : await ACTIONS[action](installation, io);
  if (action === "uninstall" && scope === "user") removeNativeLinks(io);
  return code;
}

async function onSystem(
  action: "install" | "uninstall",
  options: ServiceOptions,
  io: ServiceIo,
): Promise<number> {
  return action === "install"
    ? await (await import("./service/system.ts")).installSystem(options, io)
    : await (await import("./service/remove-system.ts")).uninstallSystem(options, io);
}

function assertOptionsFit(action: Action, { system, approve, ...others }: ServiceOptions): void {
  const own = action === "uninstall" && !approve ? SYSTEM_OPTIONS.uninstall : [];
  const allowed = system ? SYSTEM_OPTIONS[action] : own;
  const unexpected = Object.entries(others).find(
    ([name, value]) => value && !allowed.includes(name as keyof ServiceOptions),
  );
  if (!unexpected && !(system && approve)) return;
  const flag = unexpected
    ? unexpected[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    : "approve";
  const where = Object.entries(SYSTEM_OPTIONS).find(([, names]) =>
    names.some((n) => n === unexpected?.[0]),
  );
  throw new AuthdError(
    "invalid_params",
    where
      ? `--${flag} is for authd service ${where[0]} --system`
      : "--approve is for a user's own session, not for --system",
  );
}

async function install(installation: Installation, io: ServiceIo): Promise<number> {
  const { manager, launch, wanted, found } = installation;
  for (const file of found) refuseForeign(file, manager);
  const isNew = found.every(({ ownership }) => ownership === "absent");
  if (isNew && !manager.isClient) await refuseRunning(io.env);
  putAll(installation, io);
  for (const [name, value] of Object.entries(launch.variables))
    io.say(`It keeps ${name}=${value} of this shell.`);
  warnOfNode(launch.node, io);
  if (!manager.isClient) addNativeLinks(launch, io);
  const paths = wanted.map(({ path }) => path);
  const outdated = (await manager.outdated?.(paths, asker(io))) ?? [];
  if (!(await carryOut([...manager.start(paths), ...outdated], manager, io))) return EXIT.failed;
  io.say(`${manager.isClient ? "It" : "authd"} is running, and starts by itself from now on.`);
  for (const hint of await manager.hints(asker(io), io.env)) io.say(hint);
  return EXIT.done;
}

const INSTALL_FLAG: Record<Scope, string> = {
  user: "",
  system: " --system",
  approver: " --approve",
};

function status(report: ServiceReport, scope: Scope, io: ServiceIo): number {
  if (!report.installed) {
    io.say(`The service is not installed: authd service install${INSTALL_FLAG[scope]}`);
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

/** Throws AuthdError if a daemon runs that a person started: the service could not open its vault. */
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

/** Prints how to start the daemon where authd knows no service manager. */
function withoutManager(scope: Scope, io: ServiceIo): number {
  if (scope !== "user") {
    io.complain(
      `authd service --${scope === "system" ? "system" : "approve"} is not there for ${io.platform}.`,
    );
    return EXIT.failed;
  }
  io.complain(`authd knows no service manager on ${io.platform}.`);
  io.complain("Have your session start this at login: authd serve");
  return EXIT.failed;
}
