import { readDarwinProcess } from "./darwin.ts";
import type { ProcessInfo } from "./identity.ts";
import { readLinuxProcess } from "./linux.ts";

/** A process and what leads on from it. */
export interface ProcessEntry extends ProcessInfo {
  /** Its parent's pid; 0: none. */
  readonly parent: number;
  /** Why not all of it could be read. */
  readonly gap: string | undefined;
}

/** Undefined: there is no such process (any more). */
type ReadProcess = (pid: number) => ProcessEntry | undefined;

const readers: Partial<Record<NodeJS.Platform, ReadProcess>> = {
  linux: readLinuxProcess,
  darwin: readDarwinProcess,
};

/** How this system is asked about a process; undefined where it can't be. */
export const readProcess: ReadProcess | undefined = readers[process.platform];
