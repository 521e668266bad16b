import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { type Ended, run } from "./child.ts";
import { temporaryFolder } from "./folder.ts";
import { impossible, missing } from "./optional.ts";

const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));
const SYSTEMD = "/usr/lib/systemd/systemd";

/**
 * As root, in a mount namespace: an empty /run and /var/lib, an /etc whose changes are forgotten, and
 * checkout and Node where any user can reach them.
 */
const OUTSIDE = `
  set -e
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/etc/up /run/etc/work /run/units /run/checkout /run/bin
  touch /run/bin/node
  mount --bind "$CHECKOUT" /run/checkout
  mount --bind "$NODE" /run/bin/node
  printf '#!/bin/sh\\nexec /run/bin/node /run/checkout/dist/src/main.js "$@"\\n' > /run/bin/authd
  chmod 755 /run/bin/authd
  mount --bind /run/bin /usr/local/bin
  mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/up,workdir=/run/etc/work /etc
  mount -t tmpfs -o mode=755 tmpfs /etc/systemd/system
  mount -t tmpfs -o mode=755 tmpfs /var/lib
  # systemd keeps no key of the machine in memory only.
  mkdir /var/lib/systemd
  mount --bind "$KEPT" /var/lib/systemd
  umount -R /sys/fs/cgroup 2>/dev/null || true
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  group=/sys/fs/cgroup/authd-test-$$-$RANDOM
  mkdir -p $group/inside
  trap 'echo 1 > $group/cgroup.kill
        for try in 1 2 3 4 5 6 7 8 9; do
          find $group -depth -type d -exec rmdir {} + 2>/dev/null && break
          sleep 0.1
        done' EXIT
  for name in basic sysinit sockets network shutdown multi-user start; do
    echo '[Unit]' > /run/units/$name.target
  done
  cp /run/checkout/systemd/authd-system.* /run/units
  echo "namespaces are there"
  ( echo 0 > $group/inside/cgroup.procs
    exec unshare --cgroup --mount --pid --fork --kill-child --uts --ipc --mount-proc bash -c '
      umount /sys/fs/cgroup
      mount -t cgroup2 cgroup2 /sys/fs/cgroup
      mount -o bind,ro /proc/sys /proc/sys
      # Or what systemd mounts for a service (its credentials) never gets there.
      mount --make-rshared /
      bash "$INSIDE" &
      exec env -i container=authd-test PATH=/usr/bin:/bin SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units \\
        ${SYSTEMD} --system --unit=start.target --log-target=null --show-status=no' ) || true`;

const INSIDE = `
  pause_until() { for try in $(seq 300); do eval "$1" && return; sleep 0.1; done; echo "never: $1"; }
  property() { systemctl show "$1" --value -p "$2"; }
  export PATH=/run/bin:$PATH HOME=/run
  pause_until '[ "$(systemctl is-system-running 2>/dev/null)" = running ]'
  echo "manager is up"`;

/**
 * For scripts that install with `authd service`: the users alice and bob, `as USER COMMAND…`, and `written`,
 * which lists what an installation leaves. The copies of the units above are for set-ups by hand.
 */
export const PEOPLE = `
  rm /run/units/authd-system.*
  printf 'u alice 64011 "" /run/alice\\nu bob 64012 "" /run/bob\\n' | systemd-sysusers - 2>/dev/null
  for user in alice bob; do mkdir /run/$user; chown $user:$user /run/$user; chmod 700 /run/$user; done
  as() { local user=$1; shift
    setpriv --reuid=$user --regid=$user --init-groups --inh-caps=-all \\
      env -i PATH=$PATH HOME=/run/$user AUTHD_SOCKET=\${SOCKET:-/run/authd/authd.sock} "$@"; }
  written() {
    find /etc/systemd /etc/sysusers.d /etc/tmpfiles.d /etc/authd /etc/credstore.encrypted ! -type d 2>/dev/null |
      grep authd | sort | tr '\\n' ' '; }`;

/**
 * Runs a shell script as root beside a real systemd that is the first process of namespaces of its own
 * and knows the units in /run/units and an empty /etc/systemd/system only: ours, and what the script puts there. Undefined, with the test
 * ended, where that is not possible: it takes root, namespaces and cgroups of version 2.
 */
export async function withSystemManager(
  t: ExecutionContext,
  script: string,
): Promise<Ended | undefined> {
  if (!existsSync(SYSTEMD)) return void missing(t, "systemd is not installed");
  if (process.geteuid?.() !== 0) return void impossible(t, "only root can start a system manager");
  const kept = temporaryFolder(t);
  const inside = join(temporaryFolder(t), "inside.sh");
  // Nobody but its manager ends the first process of a namespace, and all others with it.
  const end = "kill -RTMIN+15 1; sleep 1";
  writeFileSync(inside, `${INSIDE}\n${script}\necho "script is through"\n${end}\n`, {
    mode: 0o755,
  });
  const ended = await run(t, "unshare", ["--mount", "bash", "-c", OUTSIDE], {
    env: { PATH: process.env.PATH, CHECKOUT, NODE: process.execPath, INSIDE: inside, KEPT: kept },
  });
  if (ended.stdout.includes("namespaces are there")) return ended;
  return void impossible(t, `no namespaces or cgroups for a system manager: ${ended.stderr}`);
}
