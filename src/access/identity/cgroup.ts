/** Parses the control group of a process, which tells where it runs. */

const UNIT = /^(.+)\.(service|scope|socket|mount|swap|slice)$/;

/**
 * Returns the systemd unit of a process from its /proc/PID/cgroup; null: none; undefined: not known.
 * Inside the service manager of user `own` it is a unit of that user. For other users it is the system's
 * unit, because users choose the names of their own units. So do containers: systemd itself puts a unit
 * into slices only.
 */
export function unitOf(cgroup: string, own: number | undefined): string | null | undefined {
  const path = cgroupPath(cgroup);
  const parts = path?.split("/").filter(Boolean);
  if (!parts || parts.includes("..")) return undefined;
  const first = parts.findIndex(isUnit);
  if (first === -1) return null;
  if (!parts.slice(0, first).every((part) => part.endsWith(".slice"))) return undefined;
  if (own === undefined || parts[first] !== `user@${own}.service`) return unescaped(parts[first]!);
  const inner = parts.slice(first + 1).find(isUnit);
  return unescaped(inner ?? parts[first]!);
}

/** Returns the control group as a path from the root of all; undefined: seen from inside of another group, or not known. */
export function wholeCgroup(cgroup: string): string | undefined {
  const path = cgroupPath(cgroup);
  return path?.split("/").includes("..") ? undefined : path;
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

/** Returns the kind of container that a control group belongs to; undefined if it shows none. */
export function containerOf(cgroup: string): string | undefined {
  const path = cgroupPath(cgroup) ?? "";
  return CONTAINERS.find(([, pattern]) => pattern.test(path))?.[0];
}

/**
 * Returns the path: the one line of version 2, or systemd's own hierarchy of version 1; undefined: not known, or
 * it has characters that pass for a line's end somewhere. The kernel keeps only \n out of names, and whoever owns a
 * group names those below it.
 */
export function cgroupPath(cgroup: string): string | undefined {
  const lines = cgroup.split("\n");
  const line =
    lines.find((one) => one.startsWith("0::/")) ??
    lines.find((one) => /^\d+:name=systemd:\//.test(one));
  const path = line?.slice(line.indexOf(":/") + 1);
  return path && /[\p{Cc}\p{Zl}\p{Zp}]/u.test(path) ? undefined : path;
}

function isUnit(part: string): boolean {
  return UNIT.test(part) && !part.endsWith(".slice");
}

/** Removes the `_` that systemd puts before names that the kernel uses itself. */
function unescaped(part: string): string {
  return part.startsWith("_") ? part.slice(1) : part;
}
