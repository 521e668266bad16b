import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { type Running, start } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

/** What it takes, of the Debian packages dbus, libglib2.0-bin, systemd and python3. */
export const programs = ["dbus-daemon", "gdbus", "systemd-inhibit", "python3"];

const LOGIND = fileURLToPath(new URL("../../../test/helpers/logind.py", import.meta.url));

/** A system bus of the test's own, with a stand-in for logind on it. */
export interface SystemBus {
  env: { DBUS_SYSTEM_BUS_ADDRESS: string };
  logind: Running;
  /** `sleep`, `wake`, `lock PATH` or `hint PATH`: see logind.py. */
  tell(what: string): void;
}

/** `uid`: whose every session is, by what logind says. */
export async function startSystemBus(t: ExecutionContext, uid: number): Promise<SystemBus> {
  const folder = temporaryFolder(t);
  const path = join(folder, "bus");
  const file = join(folder, "bus.conf");
  const anything = ['allow user="*"', 'allow own="*"', 'allow send_destination="*"'];
  const more = ['allow receive_sender="*"', 'allow send_type="signal"'];
  const policy = [...anything, ...more].map((rule) => `<${rule}/>`).join("");
  writeFileSync(
    file,
    `<busconfig><type>system</type><listen>unix:path=${path}</listen>` +
      `<policy context="default">${policy}</policy></busconfig>`,
  );
  const daemon = ["--nofork", "--nosyslog", "--print-address", `--config-file=${file}`];
  await start(t, "dbus-daemon", daemon).says("bus");
  const logind = start(t, "python3", ["-u", LOGIND, path, `${uid}`], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  await logind.says("ready");
  return {
    env: { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${path}` },
    logind,
    tell: (what) => void logind.child.stdin?.write(`${what}\n`),
  };
}
