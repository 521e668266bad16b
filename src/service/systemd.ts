import { readFileSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { home } from "../config/directories.ts";
import { type Launch, templatePath } from "./launch.ts";
import type { ServiceManager } from "./manager.ts";

const SERVICE = "authd.service";
const SOCKET = "authd.socket";
/** Path of authd in the units of systemd/, for installations by hand. */
const BY_HAND = "/usr/bin/env authd";

/** Describes the user units of systemd, from the files in systemd/. */
export const systemd: ServiceManager = {
  name: "systemd",
  comment: { open: "#", close: "", line: 0 },
  files: (launch, env) => {
    const folder = unitFolder(env);
    return [
      { path: join(folder, SOCKET), content: socketUnit(launch) },
      { path: join(folder, SERVICE), content: serviceUnit(launch) },
    ];
  },
  commandIn: commandLineOf,
  start: () => [
    { argv: ["systemctl", "--user", "daemon-reload"] },
    { argv: ["systemctl", "--user", "enable", SOCKET, SERVICE] },
    { argv: ["systemctl", "--user", "restart", SOCKET, SERVICE] },
  ],
  stop: (paths) => [
    { argv: ["systemctl", "--user", "disable", "--now", ...paths.map((path) => basename(path))] },
  ],
  forget: [{ argv: ["systemctl", "--user", "daemon-reload"] }],
  state: async (ask) => {
    const enabled = (await ask("systemctl", "--user", "is-enabled", SERVICE)).stdout.trim();
    const active = (await ask("systemctl", "--user", "is-active", SERVICE)).stdout.trim();
    const ofPid = ["show", "--property=MainPID", "--value", SERVICE];
    const pid = Number((await ask("systemctl", "--user", ...ofPid)).stdout.trim());
    return {
      ...(enabled && { enabled: enabled === "enabled" }),
      ...(active && { active: ["active", "activating", "reloading"].includes(active) }),
      ...(pid > 0 && { pid }),
    };
  },
  customize: "put changes into a drop-in instead: systemctl --user edit authd.service",
  hints: async (ask, env) => {
    const user = env.USER || env.LOGNAME || String(process.getuid?.());
    const { stdout } = await ask("loginctl", "show-user", user, "--property=Linger", "--value");
    return stdout.trim() === "yes"
      ? []
      : [`It runs while you are logged in. To keep it always: loginctl enable-linger ${user}`];
  },
};

/** Returns the folder in which systemd looks for a user's units. */
export function unitFolder({ XDG_CONFIG_HOME: given, HOME }: NodeJS.ProcessEnv): string {
  const config = given && isAbsolute(given) ? given : join(home({ HOME }), ".config");
  return join(config, "systemd", "user");
}

/** Returns the words of the command that a unit starts; undefined if it has none. */
export function commandLineOf(unit: string): string[] | undefined {
  const line = /^ExecStart=(.+)$/m.exec(unit)?.[1];
  return line?.match(/"(?:\\.|[^"\\])*"|\S+/g)?.map(unquote);
}

/** Returns a unit of systemd/ with these paths in its commands. */
export function startingCommand(unit: string, node: string, main: string): string {
  if (/["'\\]/.test(node))
    throw new Error(`systemd starts no program with quotes or backslashes in its path: ${node}`);
  const command = `${quote(node)} ${quote(main).replaceAll("$", "$$$$")}`;
  return unit.replaceAll(BY_HAND, () => command);
}

function serviceUnit({ node, main, variables }: Launch): string {
  const environment = Object.entries(variables).map(
    ([name, value]) => `Environment=${quote(`${name}=${value}`)}\n`,
  );
  return startingCommand(unitIn(SERVICE), node, main).replace(
    /^ExecStart=/m,
    (start) => environment.join("") + start,
  );
}

function socketUnit({ variables }: Launch): string {
  const path = variables.AUTHD_SOCKET;
  if (!path) return unitIn(SOCKET);
  return unitIn(SOCKET).replace(
    /^ListenStream=.*$/m,
    () => `ListenStream=${oneLine(path).replaceAll("%", "%%")}`,
  );
}

/** Returns a unit of systemd/ without the note for installations by hand. */
export function unitIn(name: string): string {
  return readFileSync(templatePath(`systemd/${name}`), "utf8").replace(/^(#.*\n)+/, "");
}

/** Quotes a word as systemd.syntax(7) and the specifiers of systemd.unit(5) require. */
export function quote(word: string): string {
  return `"${oneLine(word).replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"`;
}

function unquote(word: string): string {
  return word
    .replace(/^"(.*)"$/, "$1")
    .replace(/\\(.)/g, "$1")
    .replaceAll("%%", "%")
    .replaceAll("$$", "$");
}

function oneLine(text: string): string {
  if (/[\0-\x1f\x7f]/.test(text))
    throw new Error(`A unit can't name ${JSON.stringify(text)}: it holds a control character`);
  return text;
}
