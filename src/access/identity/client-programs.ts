import type { ClientProgram } from "../../audit/entry.ts";
import { Attachment } from "../../base/attachment.ts";
import { isInterpreter } from "../../base/interpreter.ts";
import type { Peer } from "../../rpc/peer.ts";
import { unitOf } from "./cgroup.ts";
import type { Identity, ProcessEntry } from "./identity.ts";
import { executableOf, imageIdOf, parentOf, read, readLinuxProcess, scriptOf } from "./linux.ts";
import { LiveProcesses } from "./live-processes.ts";
import { isOwnClient } from "./own-client.ts";
import { type Pod, podOf } from "./pod.ts";
import { START_TIME_TOLERANCE_MS } from "./processes.ts";

/** A process is asked for its unit, and for the path of its executable, again after so long (ms). */
const FACTS_MAX_AGE_MS = 1_000;

/** Limit of authd's own clients that are looked through, one behind the other. */
const MAX_OWN_CLIENTS = 4;

interface Facts {
  /** Device and inode of the executable. */
  readonly image: string;
  readonly program: ClientProgram;
  /** It runs scripts: another one at any time, which its command line tells. */
  readonly isInterpreter: boolean;
  readonly readAtMs: number;
}

/**
 * Reads as little of a Linux process as the audit log names: some 5 µs for one that has connected within
 * the last second, where a whole identity takes some 250 µs. The executable's inode is read for each connection:
 * a process can run another one at any time (execve(2)). No rule is decided by what is found here.
 */
export class ClientPrograms {
  readonly #processes = new LiveProcesses<Facts>();
  readonly #images = new Attachment<string>();

  /**
   * Returns undefined where more has to be read: the process has ended, does not tell its executable, or is
   * authd's own client and nobody is behind it.
   */
  find(connection: object, peer: Peer | undefined): ClientProgram | undefined {
    const live = peer && this.#processes.of(peer);
    if (!live) return undefined;
    const facts = isStillOf(live.facts, peer) ? live.facts : readFacts(peer, live.facts);
    // Asked last: everything before was read of this process.
    if (!live.isRunning()) {
      this.#processes.drop(peer.pid);
      return undefined;
    }
    live.facts = facts;
    if (!facts) return undefined;
    this.#images.set(connection, facts.image);
    return facts.program;
  }

  /** True if `find` has seen another executable in the process of this connection. */
  hasSeenAnother(connection: object, { chain: [first] }: Identity): boolean {
    const image = this.#images.of(connection);
    return image !== undefined && first !== undefined && first.image !== image;
  }
}

/** True if the process runs the same file as a moment ago. The script of an interpreter is asked for each time. */
function isStillOf(facts: Facts | undefined, { pid, uid }: Peer): facts is Facts {
  if (!facts || facts.program.uid !== uid || facts.program.program === undefined) return false;
  if (performance.now() - facts.readAtMs >= FACTS_MAX_AGE_MS) return false;
  if (imageIdOf(pid) !== facts.image) return false;
  if (!facts.isInterpreter) return true;
  return scriptOf(pid, facts.program.program) === facts.program.script;
}

/** Keeps the program of `known` if it is equal: what was made of it stays. */
function readFacts(peer: Peer, known: Facts | undefined): Facts | undefined {
  const { pid, uid } = peer;
  const { executable, image } = executableOf(pid);
  if (executable === undefined || image === undefined) return undefined;
  // The native command has no script to look for.
  const isNative = isOwnClient({ executable, script: undefined, image });
  const script = isNative ? undefined : scriptOf(pid, executable);
  const cgroup = read(pid, "cgroup");
  const unit =
    (cgroup === undefined || uid === undefined ? undefined : unitOf(cgroup, ownUser(uid))) ??
    undefined;
  const pod = cgroup === undefined ? undefined : podOf(cgroup);
  if (isNative || isOwnClient({ executable, script, image })) {
    const actor = actorBehind(pid);
    const program = actor && {
      ...{ uid, pid, ...programOf(actor), programPid: actor.pid, unit },
      ...podInLog(pod),
    };
    // Read anew each time: what is behind a process can change without it.
    return program && { image, program, isInterpreter: false, readAtMs: Number.NEGATIVE_INFINITY };
  }
  const program = { uid, pid, program: executable, script, unit, ...podInLog(pod) };
  return {
    image,
    program: known && isEqual(known.program, program) ? known.program : program,
    isInterpreter: isInterpreter(executable),
    readAtMs: performance.now(),
  };
}

/** Returns the first ancestor that is not authd's own client. Each must be older than its child. */
function actorBehind(pid: number): ProcessEntry | undefined {
  for (let child = parentOf(pid), met = 0; child && met < MAX_OWN_CLIENTS; met++) {
    const parent = child.parent > 0 ? readLinuxProcess(child.parent) : undefined;
    if (!parent || parent.startedAt > child.startedAt + START_TIME_TOLERANCE_MS) return undefined;
    if (!isOwnClient(parent)) return parent;
    child = parent;
  }
  return undefined;
}

const programOf = ({ executable, name, script }: ProcessEntry) => ({
  program: executable ?? name,
  script,
});

function isEqual(one: ClientProgram, other: ClientProgram): boolean {
  return (
    one.uid === other.uid &&
    one.program === other.program &&
    one.script === other.script &&
    one.unit === other.unit &&
    one.pod === other.pod &&
    one.container === other.container
  );
}

/** Returns what the log says of a pod. */
export function podInLog(pod: Pod | null | undefined): Pick<ClientProgram, "pod" | "container"> {
  return pod ? { pod: pod.name ?? pod.uid, container: pod.containerId } : {};
}

/** Returns `uid` if it is the daemon's own user: the units of its service manager are known by their own names. */
export const ownUser = (uid: number) => (uid === process.geteuid?.() ? uid : undefined);
