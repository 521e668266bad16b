import { readFileSync } from "node:fs";
import { type Launch, templatePath } from "../launch.ts";
import type { ServiceManager } from "../manager.ts";
import { commandLineOf, startingCommand, unitIn } from "../systemd.ts";

const SERVICE = "authd-system.service";
const SOCKET = "authd-system.socket";
const SOCKET_UNIT = `/etc/systemd/system/${SOCKET}`;
export const SERVICE_UNIT = `/etc/systemd/system/${SERVICE}`;
const SYSUSERS = "/etc/sysusers.d/authd.conf";
const TMPFILES = "/etc/tmpfiles.d/authd.conf";

/** Describes the system units, accounts and folders for systemd, from the files in systemd/. */
export const systemWideSystemd: ServiceManager = {
  name: "systemd",
  comment: { open: "#", close: "", line: 0 },
  files: (launch) => [
    { path: SYSUSERS, content: shipped("authd-system.sysusers.conf") },
    { path: TMPFILES, content: shipped("authd-system.tmpfiles.conf") },
    { path: SOCKET_UNIT, content: unitIn(SOCKET) },
    { path: SERVICE_UNIT, content: serviceUnit(launch) },
  ],
  commandIn: commandLineOf,
  start: () => [
    { argv: ["systemd-sysusers", SYSUSERS] },
    { argv: ["systemd-tmpfiles", "--create", TMPFILES] },
    { argv: ["systemctl", "daemon-reload"] },
    { argv: ["systemctl", "enable", SOCKET, SERVICE] },
    { argv: ["systemctl", "restart", SOCKET, SERVICE] },
  ],
  stop: () => [{ argv: ["systemctl", "disable", "--now", SOCKET, SERVICE] }],
  forget: [
    { argv: ["systemctl", "daemon-reload"] },
    { argv: ["systemctl", "reset-failed", SOCKET, SERVICE], optional: true },
  ],
  state: async (ask) => {
    const enabled = (await ask("systemctl", "is-enabled", SOCKET)).stdout.trim();
    const active = (await ask("systemctl", "is-active", SERVICE)).stdout.trim();
    return {
      ...(enabled && { enabled: enabled === "enabled" }),
      ...(active && { active: ["active", "activating", "reloading"].includes(active) }),
    };
  },
  customize: `put changes into a drop-in instead: systemctl edit ${SERVICE}`,
  hints: async () => ["Its log: journalctl -u authd-system"],
};

/** Returns the vault's key source of an installed unit; undefined if `content` is no such unit. */
export function vaultKeyIn(content: string): string | undefined {
  return /^Environment=AUTHD_VAULT_KEY=(\S+)$/m.exec(content)?.[1];
}

function serviceUnit({ node, main, variables }: Launch): string {
  const key = variables.AUTHD_VAULT_KEY ?? "systemd-credential";
  const unit = startingCommand(unitIn(SERVICE), node, main).replace(
    /^(Environment=AUTHD_VAULT_KEY=).*$/m,
    `$1${key}`,
  );
  // A unit whose credential is missing does not start.
  return key === "file" ? unit.replace(/(^#.*\n)*^LoadCredentialEncrypted=.*\n/m, "") : unit;
}

const shipped = (name: string) => readFileSync(templatePath(`systemd/${name}`), "utf8");
