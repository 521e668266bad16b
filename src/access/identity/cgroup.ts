/** What a process's control group says of where it runs: pure. */

const UNIT = /^(.+)\.(service|scope|socket|mount|swap|slice)$/;

/**
 * The systemd unit of a process, from its /proc/PID/cgroup; null: it is in none; undefined: it can't
 * be known. Inside the service manager of user `own` it is a unit of that user; of others the system's
 * unit counts, because what a user calls its own units is that user's choice. So is what a container
 * calls its units: systemd itself puts a unit into slices only.
 */
export function unitOf(cgroup: string, own: number | undefined): string | null | undefined {
  const path = pathOf(cgroup);
  const parts = path?.split("/").filter(Boolean);
  if (!parts || parts.includes("..")) return undefined;
  const first = parts.findIndex(isUnit);
  if (first === -1) return null;
  if (!parts.slice(0, first).every((part) => part.endsWith(".slice"))) return undefined;
  if (own === undefined || parts[first] !== `user@${own}.service`) return unescaped(parts[first]!);
  const inner = parts.slice(first + 1).find(isUnit);
  return unescaped(inner ?? parts[first]!);
}

const CONTAINERS: readonly [string, RegExp][] = [
  ["docker", /(^|[/-])docker[-/]/],
  ["podman", /(^|\/)libpod[-_]/],
  ["kubernetes", /(^|\/)kubepods/],
  ["containerd", /(^|\/)cri-containerd[-/]/],
  ["lxc", /(^|\/)lxc(\.payload)?[./]/],
  ["nspawn", /(^|\/)machine\.slice\//],
  ["flatpak", /(^|\/)app-flatpak-/],
  ["snap", /(^|\/)snap\./],
];

/** What kind of container this control group belongs to; undefined: it does not show one. */
export function containerOf(cgroup: string): string | undefined {
  const path = pathOf(cgroup) ?? "";
  return CONTAINERS.find(([, pattern]) => pattern.test(path))?.[0];
}

/** Version 2 has one line; in version 1 systemd's own hierarchy counts. */
function pathOf(cgroup: string): string | undefined {
  return /^0::(\/.*)$/m.exec(cgroup)?.[1] ?? /^\d+:name=systemd:(\/.*)$/m.exec(cgroup)?.[1];
}

function isUnit(part: string): boolean {
  return UNIT.test(part) && !part.endsWith(".slice");
}

/** systemd puts `_` before what the kernel would take for a file of its own. */
function unescaped(part: string): string {
  return part.startsWith("_") ? part.slice(1) : part;
}
