import { join } from "node:path";
import type { Launch } from "./launch.ts";
import type { ServiceManager } from "./manager.ts";
import { commandLineOf, quote, startingCommand, unitFolder, unitIn } from "./systemd.ts";

const UNIT = "authd-approve.service";

/** Describes the user unit that asks on the desktop for the system-wide daemon, from the file in systemd/. */
export const approver: ServiceManager = {
  name: "systemd",
  isClient: true,
  comment: { open: "#", close: "", line: 0 },
  files: (launch, env) => [{ path: join(unitFolder(env), UNIT), content: unit(launch) }],
  commandIn: commandLineOf,
  start: () => [
    { argv: ["systemctl", "--user", "daemon-reload"] },
    { argv: ["systemctl", "--user", "enable", UNIT] },
    { argv: ["systemctl", "--user", "restart", UNIT] },
  ],
  stop: () => [{ argv: ["systemctl", "--user", "disable", "--now", UNIT] }],
  forget: [{ argv: ["systemctl", "--user", "daemon-reload"] }],
  state: async (ask) => {
    const enabled = (await ask("systemctl", "--user", "is-enabled", UNIT)).stdout.trim();
    const active = (await ask("systemctl", "--user", "is-active", UNIT)).stdout.trim();
    return {
      ...(enabled && { enabled: enabled === "enabled" }),
      ...(active && { active: active === "active" }),
    };
  },
  customize: `put changes into a drop-in instead: systemctl --user edit ${UNIT}`,
  hints: async () => [
    `It asks where a graphical session is. Its log: journalctl --user -u ${UNIT}`,
  ],
};

function unit({ node, main, variables }: Launch): string {
  const text = startingCommand(unitIn(UNIT), node, main);
  const socket = variables.AUTHD_SOCKET;
  if (socket === undefined) return text;
  return text.replace(
    /^Environment=AUTHD_SOCKET=.*$/m,
    () => `Environment=${quote(`AUTHD_SOCKET=${socket}`)}`,
  );
}
