import { closeSync, readFileSync, readlinkSync } from "node:fs";
import type { ClientProgram } from "../../audit/entry.ts";
import { Attachment } from "../../base/attachment.ts";
import { procField } from "../../base/proc-field.ts";
import { quoted } from "../../base/terminal-safe.ts";
import { groupsOf, type Peer } from "../../rpc/peer.ts";
import { containerOf, unitOf, wholeCgroup } from "./cgroup.ts";
import { ClientPrograms, ownUser, podInLog } from "./client-programs.ts";
import { type Content, Contents } from "./digest.ts";
import type { Identities, Identity, ProcessEntry, ProcessInfo } from "./identity.ts";
import { imageOf, read } from "./linux.ts";
import { isOwnClient } from "./own-client.ts";
import { type Pod, podOf } from "./pod.ts";
import { readProcess, START_TIME_TOLERANCE_MS } from "./processes.ts";

/** Limit of ancestors that are read. */
const MAX_PARENTS = 32;

export type LookUp = <Found>(look: () => Found) => Found;

/** Identifies the program behind a connection, once for each connection, when it is first needed. */
export class ProcessIdentities implements Identities {
  readonly #known = new Attachment<Identity>();
  readonly #programOf = new Attachment<ClientProgram>();
  readonly #programs = new ClientPrograms();
  readonly #contents = new Contents();
  readonly #lookUp: LookUp;

  /** `lookUp` runs the search, which takes about a millisecond, once for each connection. */
  constructor(lookUp: LookUp = (look) => look()) {
    this.#lookUp = lookUp;
  }

  of(connection: object, peer: Peer | undefined): Identity {
    const known = this.#known.of(connection);
    if (known) return known;
    const found = this.#lookUp(() => identify(peer));
    // Another program in the same process is not the one that asked before.
    const identity = this.#programs.hasSeenAnother(connection, found)
      ? unknownIdentity(peer, "the process that connected runs another program by now")
      : found;
    return this.#known.set(connection, identity);
  }

  programOf(connection: object, peer: Peer | undefined): ClientProgram {
    const known = this.#programOf.of(connection);
    if (known) return known;
    const identity = this.#known.of(connection);
    const quick = identity ? undefined : this.#lookUp(() => this.#programs.find(connection, peer));
    const program = quick ?? programOf(identity ?? this.of(connection, peer));
    return this.#programOf.set(connection, program);
  }

  async content({ actor }: Identity): Promise<Content | undefined> {
    if (actor?.executable === undefined) return undefined;
    const file = process.platform === "linux" ? imageOf(actor.pid) : actor.executable;
    return await this.#contents.of(file, actor.image).catch(() => undefined);
  }
}

/** Identifies the program behind a connection, as far as this system tells. Never throws. */
export function identify(peer: Peer | undefined): Identity {
  if (!peer) return unknownIdentity(peer, "this system does not tell who is behind a connection");
  if (!readProcess)
    return unknownIdentity(peer, `${process.platform} can't be asked about processes`);
  // The descriptor stands for this very process: while that lives, its pid is not used again.
  const pidfd = peer.pidfd?.();
  try {
    const first = readProcess(peer.pid);
    const identity = first && describeProcesses(peer, [first, ...ancestorsOf(first)]);
    // Checked last, so that everything read before was read of this process.
    const isSame = first && isStill(peer, first, pidfd);
    return isSame && identity
      ? identity
      : unknownIdentity(peer, "the process that connected has ended");
  } finally {
    if (typeof pidfd === "number") closeSync(pidfd);
  }
}

/** True if the pid still belongs to the process that connected. */
function isStill(
  peer: Peer,
  { startedAt }: ProcessInfo,
  pidfd: number | "gone" | undefined,
): boolean {
  if (pidfd === "gone") return false;
  if (pidfd === undefined) {
    const now = readProcess?.(peer.pid)?.startedAt;
    return now === startedAt && startedAt <= peer.connectedAt + START_TIME_TOLERANCE_MS;
  }
  const pid = procField(readFileSync(`/proc/self/fdinfo/${pidfd}`, "utf8"), "Pid");
  return pid === String(peer.pid);
}

function describeProcesses(peer: Peer, entries: readonly ProcessEntry[]): Identity {
  const chain = entries.map(({ parent, gap, ...info }): ProcessInfo => info);
  const at = chain.findIndex((one) => !isOwnClient(one));
  const actor = chain[at];
  const place = placeOf(peer);
  return {
    peer,
    chain,
    actor,
    gids: groupsOf(peer),
    ...place,
    unknownReason: entries[at]?.gap,
    displayName: displayNameOf(actor) + inPod(place.pod) + socketOf(peer),
  };
}

/** Reads the ancestors. Each must be older than its child: an orphan has a new parent. */
function ancestorsOf(first: ProcessEntry): ProcessEntry[] {
  const found: ProcessEntry[] = [];
  for (let child = first; child.parent > 0 && found.length < MAX_PARENTS; ) {
    const parent = readProcess?.(child.parent);
    if (!parent || parent.startedAt > child.startedAt + START_TIME_TOLERANCE_MS) break;
    found.push(parent);
    child = parent;
  }
  return found;
}

function placeOf({
  pid,
  uid,
}: Peer): Pick<Identity, "unit" | "userUnit" | "container" | "cgroup" | "pod"> {
  const cgroup = process.platform === "linux" ? read(pid, "cgroup") : undefined;
  if (cgroup === undefined || uid === undefined) return { unit: undefined, container: undefined };
  return {
    unit: unitOf(cgroup, ownUser(uid)),
    userUnit: unitOf(cgroup, uid) ?? undefined,
    container: containerOf(cgroup) ?? foreignNamespace(pid),
    cgroup: wholeCgroup(cgroup),
    pod: podOf(cgroup),
  };
}

/** Returns `namespace` for a process in another pid namespace, which is in some kind of container. */
function foreignNamespace(pid: number): string | null | undefined {
  try {
    const [own, its] = ["self", pid].map((id) => readlinkSync(`/proc/${id}/ns/pid`));
    return own === its ? null : "namespace";
  } catch {
    return undefined;
  }
}

const inPod = (pod: Pod | null | undefined) => (pod ? ` in the pod ${pod.name ?? pod.uid}` : "");

function programOf({ peer, actor, unit, pod }: Identity): ClientProgram {
  return {
    uid: peer?.uid,
    pid: peer?.pid,
    program: actor?.executable ?? actor?.name,
    programPid: actor?.pid === peer?.pid ? undefined : actor?.pid,
    script: actor?.script,
    unit: unit ?? undefined,
    ...podInLog(pod),
  };
}

/** Names the restricted socket that the peer came by. */
function socketOf(peer: Peer | undefined): string {
  return peer?.restriction ? `, by the socket ${peer.restriction.name}` : "";
}

function unknownIdentity(peer: Peer | undefined, gap: string): Identity {
  const unknown = { actor: undefined, gids: undefined, unit: undefined, container: undefined };
  const shown = peer ? `process ${peer.pid} of user ${peer.uid}` : "a program";
  return {
    peer,
    chain: [],
    ...unknown,
    unknownReason: gap,
    displayName: `${shown} (${gap})${socketOf(peer)}`,
  };
}

/** Returns a name for people, such as `python3 report.py (process 4711)`. No rule relies on the script. */
function displayNameOf(actor: ProcessInfo | undefined): string {
  if (!actor) return "a program";
  const words = [actor.executable ?? actor.name, actor.script ?? []].flat();
  return `${words.map(quoted).join(" ")} (process ${actor.pid})`;
}
