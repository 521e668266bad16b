import { closeSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { quoted } from "../../base/terminal-safe.ts";
import { groupsOf, type Peer } from "../../rpc/peer.ts";
import { containerOf, unitOf } from "./cgroup.ts";
import { type Content, Contents } from "./digest.ts";
import type { Identities, Identity, ProcessEntry, ProcessInfo } from "./identity.ts";
import { imageOf, read } from "./linux.ts";
import { readProcess } from "./processes.ts";

/** More ancestors than this are not looked for. */
const MAX_PARENTS = 32;
/** Two readings of the clock may differ by this, ms: proc(5) counts in ticks. */
const SLACK = 20;

export type LookUp = (look: () => Identity) => Identity;

/** Asks the system who is behind a connection: once for each, when somebody wants to know. */
export class ProcessIdentities implements Identities {
  readonly #known = new WeakMap<object, Identity>();
  readonly #contents = new Contents();
  readonly #lookUp: LookUp;

  /** `lookUp`: runs what takes about a millisecond, once a connection. */
  constructor(lookUp: LookUp = (look) => look()) {
    this.#lookUp = lookUp;
  }

  of(connection: object, peer: Peer | undefined): Identity {
    const known = this.#known.get(connection);
    if (known) return known;
    const identity = this.#lookUp(() => identify(peer));
    this.#known.set(connection, identity);
    return identity;
  }

  async content({ actor }: Identity): Promise<Content | undefined> {
    if (actor?.executable === undefined) return undefined;
    const file = process.platform === "linux" ? imageOf(actor.pid) : actor.executable;
    return await this.#contents.of(file, actor.image).catch(() => undefined);
  }
}

/** Who is behind a connection, as far as this system tells. Never throws. */
export function identify(peer: Peer | undefined): Identity {
  if (!peer) return unknownIdentity(peer, "this system does not tell who is behind a connection");
  if (!readProcess)
    return unknownIdentity(peer, `${process.platform} can't be asked about processes`);
  // It stands for this very process: while it says that the process lives, its number is its own.
  const pidfd = peer.pidfd?.();
  try {
    const first = readProcess(peer.pid);
    const identity = first && describeProcesses(peer, [first, ...ancestorsOf(first)]);
    // Asked last: whatever was read before was read of this process.
    const still = first && isStill(peer, first, pidfd);
    return still && identity
      ? identity
      : unknownIdentity(peer, "the process that connected has ended");
  } finally {
    if (typeof pidfd === "number") closeSync(pidfd);
  }
}

function isStill(
  peer: Peer,
  { startedAt }: ProcessInfo,
  pidfd: number | "gone" | undefined,
): boolean {
  if (pidfd === "gone") return false;
  if (pidfd === undefined) {
    const now = readProcess?.(peer.pid)?.startedAt;
    return now === startedAt && startedAt <= peer.connectedAt + SLACK;
  }
  return (
    /^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, "utf8"))?.[1] ===
    String(peer.pid)
  );
}

function describeProcesses(peer: Peer, entries: readonly ProcessEntry[]): Identity {
  const chain = entries.map(({ parent, gap, ...info }): ProcessInfo => info);
  const at = chain.findIndex((one) => !isOurClient(one));
  const actor = chain[at];
  const place = placeOf(peer);
  return {
    peer,
    chain,
    actor,
    gids: groupsOf(peer),
    ...place,
    unknownReason: entries[at]?.gap,
    displayName: displayNameOf(actor),
  };
}

/** A child that outlived its parent has another parent by now, so each is older than its child. */
function ancestorsOf(first: ProcessEntry): ProcessEntry[] {
  const found: ProcessEntry[] = [];
  for (let child = first; child.parent > 0 && found.length < MAX_PARENTS; ) {
    const parent = readProcess?.(child.parent);
    if (!parent || parent.startedAt > child.startedAt + SLACK) break;
    found.push(parent);
    child = parent;
  }
  return found;
}

function placeOf({ pid, uid }: Peer): Pick<Identity, "unit" | "userUnit" | "container"> {
  const cgroup = process.platform === "linux" ? read(pid, "cgroup") : undefined;
  if (cgroup === undefined) return { unit: undefined, container: undefined };
  const own = uid === process.geteuid?.() ? uid : undefined;
  return {
    unit: unitOf(cgroup, own),
    userUnit: unitOf(cgroup, uid) ?? undefined,
    container: containerOf(cgroup) ?? foreignNamespace(pid),
  };
}

/** A process with other process numbers than ours is in some container, whatever its kind. */
function foreignNamespace(pid: number): string | null | undefined {
  try {
    const [own, its] = ["self", pid].map((id) => readlinkSync(`/proc/${id}/ns/pid`));
    return own === its ? null : "namespace";
  } catch {
    return undefined;
  }
}

const MAIN = realPath(fileURLToPath(new URL("../../main.js", import.meta.url)));

/** authd's own command line asks for whoever started it. */
function isOurClient({ executable, script }: ProcessInfo): boolean {
  if (executable === undefined || script === undefined) return false;
  return basename(executable).startsWith("node") && realPath(script) === MAIN;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function unknownIdentity(peer: Peer | undefined, gap: string): Identity {
  const unknown = { actor: undefined, gids: undefined, unit: undefined, container: undefined };
  const shown = peer ? `process ${peer.pid} of user ${peer.uid}` : "a program";
  return { peer, chain: [], ...unknown, unknownReason: gap, displayName: `${shown} (${gap})` };
}

/** `python3 report.py (process 4711)`: what it runs may be shown, as long as nobody trusts it. */
function displayNameOf(actor: ProcessInfo | undefined): string {
  if (!actor) return "a program";
  const words = [actor.executable ?? actor.name, actor.script ?? []].flat();
  return `${words.map(quoted).join(" ")} (process ${actor.pid})`;
}
