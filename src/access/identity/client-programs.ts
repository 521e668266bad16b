import type { ClientProgram } from "../../audit/entry.ts";
import type { Peer } from "../../rpc/peer.ts";
import { unitOf } from "./cgroup.ts";
import type { Identity } from "./identity.ts";
import { executableOf, read, scriptOf } from "./linux.ts";
import { LiveProcesses } from "./live-processes.ts";
import { isOwnClient } from "./own-client.ts";

/** A process is asked for its unit again after so long (ms). No rule is decided by it. */
const UNIT_MAX_AGE_MS = 1_000;

interface Facts {
  readonly image: string;
  readonly program: ClientProgram;
  readonly unitAtMs: number;
}

/**
 * Reads as little of a Linux process as the audit log names: some 15 µs for one that has connected
 * before, where a whole identity takes some 250 µs. The executable is read for each connection: a process
 * can run another one at any time (execve(2)).
 */
export class ClientPrograms {
  readonly #processes = new LiveProcesses<Facts>();
  readonly #images = new WeakMap<object, string>();

  /**
   * Returns undefined where more has to be read: the process has ended, is authd's own client, or does
   * not tell its executable.
   */
  find(connection: object, peer: Peer | undefined): ClientProgram | undefined {
    const live = peer && this.#processes.of(peer);
    if (!live) return undefined;
    const { executable, image } = executableOf(peer.pid);
    if (executable === undefined || image === undefined) return undefined;
    const script = scriptOf(peer.pid, executable);
    if (isOwnClient({ executable, script })) return undefined;
    const facts = isOf(live.facts, peer, executable, image, script)
      ? live.facts
      : factsOf(peer, executable, image, script);
    // Asked last: everything before was read of this process.
    if (!live.isRunning()) {
      this.#processes.drop(peer.pid);
      return undefined;
    }
    live.facts = facts;
    this.#images.set(connection, image);
    return facts.program;
  }

  /** True if `find` has seen another executable in the process of this connection. */
  hasSeenAnother(connection: object, { chain: [first] }: Identity): boolean {
    const image = this.#images.get(connection);
    return image !== undefined && first !== undefined && first.image !== image;
  }
}

function isOf(
  facts: Facts | undefined,
  { uid }: Peer,
  executable: string,
  image: string,
  script: string | undefined,
): facts is Facts {
  if (facts?.image !== image || facts.program.uid !== uid) return false;
  if (facts.program.program !== executable || facts.program.script !== script) return false;
  return performance.now() - facts.unitAtMs < UNIT_MAX_AGE_MS;
}

function factsOf(
  { pid, uid }: Peer,
  executable: string,
  image: string,
  script: string | undefined,
): Facts {
  const cgroup = read(pid, "cgroup");
  const unit = cgroup === undefined ? undefined : unitOf(cgroup, ownUser(uid));
  return {
    image,
    program: { uid, pid, program: executable, script, unit: unit ?? undefined },
    unitAtMs: performance.now(),
  };
}

/** Returns `uid` if it is the daemon's own user: the units of its service manager are known by their own names. */
export const ownUser = (uid: number) => (uid === process.geteuid?.() ? uid : undefined);
