/** Finds the Kubernetes pod that a process runs in, by its control group and by the folders of the kubelet. */
import { readdirSync, statSync } from "node:fs";
import { cgroupPath } from "./cgroup.ts";

export interface Pod {
  readonly uid: string;
  /** Undefined for what the kubelet itself runs in the pod's group. */
  readonly containerId: string | undefined;
  /** `namespace/name`; undefined if the kubelet's folder does not tell. */
  readonly name: string | undefined;
}

/** The kubelet makes one folder for each pod here, `NAMESPACE_NAME_UID`, before it starts the pod. */
const LOGS = "/var/log/pods";

/** What may stand above a pod: the kubelet's own groups, by either of its drivers, also from inside of a container. */
const ABOVE =
  /^(\.\.|kubelet(\.slice)?|kubepods|burstable|besteffort|(kubelet-)?kubepods(-burstable|-besteffort)?\.slice)$/;
const BY_SYSTEMD =
  /^(?:kubelet-)?kubepods(?:-burstable|-besteffort)?-pod([0-9a-f_]{32,36})\.slice$/;
const BY_CGROUPFS = /^pod([0-9a-f-]{32,36})$/;
const CONTAINER = /^(?:(?:cri-containerd|crio|docker)-)?([0-9a-f]{64})(?:\.scope)?$/;

/**
 * Returns the pod; null: it runs in none; undefined: not known. What is below a pod's group its containers may
 * have named, and what is below a user's that user: the first pod counts, and the kubelet alone may be above it.
 */
export function podOf(cgroup: string, logs = LOGS): Pod | null | undefined {
  const parts = cgroupPath(cgroup)?.split("/").filter(Boolean);
  if (!parts) return undefined;
  const at = parts.findIndex((part) => !ABOVE.test(part));
  const uid = uidOf(parts[at] ?? "");
  // On a node with version 1 the groups of pods are in other hierarchies.
  if (uid === undefined) return cgroup.includes("kubepods") ? undefined : null;
  const containerId = CONTAINER.exec(parts[at + 1] ?? "")?.[1];
  return { uid, containerId, name: nameOf(uid, logs) };
}

function uidOf(part: string): string | undefined {
  return BY_SYSTEMD.exec(part)?.[1]?.replaceAll("_", "-") ?? BY_CGROUPFS.exec(part)?.[1];
}

/** Undefined where others than root could have made the folder, or it is not there. */
function nameOf(uid: string, logs: string): string | undefined {
  try {
    const { uid: owner, mode } = statSync(logs);
    if (owner !== 0 || mode & 0o022) return undefined;
    const names = readdirSync(logs).filter((name) => name.endsWith(`_${uid}`));
    const [, namespace, name] =
      /^([a-z0-9-]+)_([a-z0-9.-]+)_[0-9a-f-]+$/.exec(names[0] ?? "") ?? [];
    return names.length === 1 && namespace && name ? `${namespace}/${name}` : undefined;
  } catch {
    return undefined;
  }
}
