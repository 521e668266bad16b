import test from "ava";
import { containerOf, unitOf } from "../../../src/access/identity/cgroup.ts";

const USER = "0::/user.slice/user-1000.slice/user@1000.service";

/** /proc/PID/cgroup, whose units count, and the unit. */
const UNITS: readonly [string, number | undefined, string | null | undefined][] = [
  ["0::/system.slice/backup.service\n", undefined, "backup.service"],
  ["0::/system.slice/system-getty.slice/getty@tty1.service\n", undefined, "getty@tty1.service"],
  ["0::/system.slice/backup.service/payload/worker\n", undefined, "backup.service"],
  ["0::/user.slice/user-1000.slice/session-3.scope\n", 1000, "session-3.scope"],
  [`${USER}/app.slice/backup.service\n`, 1000, "backup.service"],
  [`${USER}/app.slice/app-gnome-editor.scope/tab\n`, 1000, "app-gnome-editor.scope"],
  [`${USER}/init.scope\n`, 1000, "init.scope"],
  // Another user named this unit as it liked.
  [`${USER}/app.slice/backup.service\n`, undefined, "user@1000.service"],
  [`${USER}/app.slice/backup.service\n`, 1001, "user@1000.service"],
  ["0::/system.slice/_cpu.service\n", undefined, "cpu.service"],
  ["0::/\n", undefined, null],
  ["0::/init.scope\n", undefined, "init.scope"],
  ["0::/../../system.slice/backup.service\n", undefined, undefined],
  ["0::/..\n", undefined, undefined],
  // A container has named these.
  ["0::/docker/0a1b2c/system.slice/backup.service\n", undefined, undefined],
  ["0::/lxc.payload.web/system.slice/backup.service\n", undefined, undefined],
  [
    "0::/machine.slice/machine-deb.scope/payload/system.slice/backup.service\n",
    1000,
    "machine-deb.scope",
  ],
  ["12:cpu:/\n1:name=systemd:/system.slice/backup.service\n", undefined, "backup.service"],
  ["12:cpu:/\n", undefined, undefined],
  // A name may have every line break but the kernel's own: a line that somebody made up is none.
  ["9:pids:/a\r0::/system.slice/backup.service\n1:name=systemd:/\n", undefined, null],
  ["9:pids:/a\u20280::/system.slice/backup.service\n0::/init.scope\n", undefined, "init.scope"],
  ["9:pids:/a\u20291:name=systemd:/system.slice/backup.service\n", undefined, undefined],
  ["0::/system.slice/backup.service\r/x\n", undefined, undefined],
  ["1:name=systemd:/a\r0::/system.slice/backup.service\n", undefined, undefined],
  ["0::/system.slice/backup.service/a\u2028\n", undefined, undefined],
  ["", undefined, undefined],
];
for (const [cgroup, own, unit] of UNITS) {
  test(`unit: ${encodeURI(cgroup)} for ${own}`, (t) => t.is(unitOf(cgroup, own), unit));
}

const CONTAINERS: readonly [string, string | undefined][] = [
  ["0::/system.slice/docker-0a1b2c.scope\n", "docker"],
  ["1:name=systemd:/docker/0a1b2c\n", "docker"],
  ["0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-0a1b.scope\n", "podman"],
  ["0::/kubepods.slice/kubepods-besteffort.slice/cri-containerd-0a.scope\n", "kubernetes"],
  ["0::/lxc.payload.web/init.scope\n", "lxc"],
  ["0::/machine.slice/machine-deb.scope\n", "nspawn"],
  [`${USER}/app.slice/app-flatpak-org.x.Y-12.scope\n`, "flatpak"],
  [`${USER}/app.slice/snap.code.code-1.scope\n`, "snap"],
  ["0::/system.slice/backup.service\n", undefined],
  ["0::/\n", undefined],
];
for (const [cgroup, kind] of CONTAINERS) {
  test(`container: ${cgroup.trim()}`, (t) => t.is(containerOf(cgroup), kind));
}
