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
 * As root, in a mount, a process and a cgroup namespace: an empty /run that says that systemd runs, a
 * cgroup of its own, and checkout and Node where any user can reach them.
 */
const OUTSIDE = `
  set -e
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/systemd/system /run/user/65533 /run/home /run/authd
  touch /run/node
  mount --bind "$CHECKOUT" /run/authd
  mount --bind "$NODE" /run/node
  umount -R /sys/fs/cgroup 2>/dev/null || true
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  home=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
  group=/sys/fs/cgroup/authd-test-$$-$RANDOM
  # As seen from inside, below, that is where systemd itself puts a user's manager.
  manager=user.slice/user-65533.slice/user@65533.service
  mkdir -p $group/$manager/init.scope
  trap 'echo 0 > $home/cgroup.procs
        echo 1 > $group/cgroup.kill
        for try in 1 2 3 4 5 6 7 8 9; do
          find $group -depth -type d -exec rmdir {} + 2>/dev/null && break
          sleep 0.1
        done' EXIT
  echo 0 > $group/cgroup.procs
  chown -R 65533:65533 /run/user/65533 /run/home $group/$manager
  chmod 700 /run/user/65533
  echo "namespaces are there"
  cd /
  unshare --cgroup --mount bash -c '
    umount /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    echo 0 > /sys/fs/cgroup/$0/init.scope/cgroup.procs
    exec "$@"' $manager \\
  setpriv --reuid=65533 --regid=65533 --clear-groups --inh-caps=-all \\
    env -i HOME=/run/home USER=tester XDG_RUNTIME_DIR=/run/user/65533 PATH=/usr/bin:/bin \\
    bash "$INSIDE"`;

/** As an ordinary user: a manager, and the test's script beside it. */
const INSIDE = `
  ${SYSTEMD} --user --log-target=null &
  for try in $(seq 100); do
    systemctl --user is-system-running >/dev/null 2>&1 && break
    sleep 0.1
  done
  authd() { /run/node /run/authd/dist/src/main.js "$@"; }
  property() { systemctl --user show authd.service --value -p "$1"; }
  pause_until() { for try in $(seq 300); do eval "$1" && return; sleep 0.1; done; echo "never: $1"; }
  systemctl --user is-system-running || exit 9
  echo "manager is up"`;

/**
 * Runs a shell script beside a real systemd user manager, as an unprivileged user. Undefined, with
 * the test ended, where that is not possible: it takes root, namespaces and cgroups of version 2.
 */
export async function withUserManager(
  t: ExecutionContext,
  script: string,
): Promise<Ended | undefined> {
  if (!existsSync(SYSTEMD)) return void missing(t, "systemd is not installed");
  if (process.geteuid?.() !== 0) return void impossible(t, "only root can start a user manager");
  const folder = temporaryFolder(t);
  const inside = join(folder, "inside.sh");
  writeFileSync(inside, `${INSIDE}\n${script}\nsystemctl --user exit\nwait\n`, { mode: 0o755 });
  const readable = `chmod 755 ${folder}\n${OUTSIDE}`;
  const args = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const ended = await run(t, "unshare", [...args, "bash", "-c", readable], {
    env: { PATH: process.env.PATH, CHECKOUT, NODE: process.execPath, INSIDE: inside },
  });
  if (ended.stdout.includes("namespaces are there")) return ended;
  return void impossible(t, `no namespaces or cgroups for a user manager: ${ended.stderr}`);
}
