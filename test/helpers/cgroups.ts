import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ExecutionContext } from "ava";

/** Where the kernel's groups of version 2 are. */
function root(): string {
  const line = readFileSync("/proc/self/mountinfo", "utf8").match(/^.* - cgroup2 .*$/m)?.[0];
  const place = line?.split(" ")[4];
  if (place === undefined) throw new Error("no file system of control groups, version 2");
  return place;
}

/**
 * Makes a control group and those above it, which are removed at the end of the test, if they are empty. Returns the
 * file that takes the processes. Root's alone.
 */
export function makeCgroup(t: ExecutionContext, path: string): string {
  const folder = join(root(), path);
  mkdirSync(folder, { recursive: true });
  t.teardown(() => {
    for (let each = folder; each !== root(); each = dirname(each)) {
      try {
        rmdirSync(each);
      } catch {
        return;
      }
    }
  });
  return join(folder, "cgroup.procs");
}

/** What a command begins with that is to run in this group. */
export const inCgroup = (procs: string): readonly string[] => [
  ...["sh", "-c", 'echo $$ > "$0" && exec "$@"'],
  procs,
];
