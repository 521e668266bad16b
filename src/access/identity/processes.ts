import { readDarwinProcess } from "./darwin.ts";
import type { ProcessEntry } from "./identity.ts";
import { readLinuxProcess } from "./linux.ts";
import { readWindowsProcess } from "./windows.ts";

/** Reads one process; undefined: it does not exist, or has ended. */
type ReadProcess = (pid: number) => ProcessEntry | undefined;

const readers: Partial<Record<NodeJS.Platform, ReadProcess>> = {
  linux: readLinuxProcess,
  darwin: readDarwinProcess,
  win32: readWindowsProcess,
};

/** Reader for this platform; undefined where processes can't be read. */
export const readProcess: ReadProcess | undefined = readers[process.platform];

/** Difference that two start times of one process may have: proc(5) counts in ticks. */
export const START_TIME_TOLERANCE_MS = 20;
