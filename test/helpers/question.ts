import type { Question } from "../../src/access/access.ts";
import type { Identity, ProcessInfo } from "../../src/access/identity/identity.ts";
import { isInterpreter } from "../../src/base/interpreter.ts";

/** A process as a test needs it. */
export function processInfo(more: Partial<ProcessInfo> = {}): ProcessInfo {
  return {
    pid: 4711,
    startedAt: 5,
    uid: 1000,
    name: "backup",
    executable: "/usr/bin/backup",
    script: undefined,
    terminal: undefined,
    ...more,
  };
}

/** Who asks: the first of the chain counts. */
export function identityOf(...chain: readonly ProcessInfo[]): Identity {
  const [actor] = chain;
  return {
    peer: undefined,
    chain,
    actor,
    gids: undefined,
    unit: null,
    container: null,
    unknownReason: undefined,
    displayName: actor ? `${actor.executable} (process ${actor.pid})` : "a program",
  };
}

/** `/usr/bin/backup` asks `labelf` for its token. */
export function question(
  more: Partial<Question> = {},
  process: Partial<ProcessInfo> = {},
): Question {
  return {
    credential: "labelf",
    kind: "token",
    what: "its token",
    rule: "default",
    confirm: "first",
    identity: identityOf(processInfo(process)),
    isInterpreter: isInterpreter(process.executable ?? "backup"),
    ...more,
  };
}
