import type { CredentialInfo, StatusResult } from "../../protocol.ts";

/** One thing that was looked at. */
export interface Finding {
  level: "ok" | "warning" | "problem";
  /** What was looked at, in a word or two. */
  about: string;
  message: string;
  /** What to do, where something is to be done. */
  mend?: string;
}

/** What every check may know. */
export interface Patient {
  env: NodeJS.ProcessEnv;
  /** Wall clock, ms since the epoch. */
  now: number;
  /** Undefined: no daemon answers. */
  daemon?: StatusResult;
  /** Empty without a daemon. */
  credentials: readonly CredentialInfo[];
  /** Uid whose daemon it is, if that is not who asks; without a daemon by its socket. */
  host?: number;
  /** The daemon's own folders can't be told from this environment. */
  isElsewhere: boolean;
}

/** Looks at one matter; what it throws is reported as a problem of its own. */
export type Check = (patient: Patient) => Finding[] | Promise<Finding[]>;

export const ok = (about: string, message: string): Finding => ({ level: "ok", about, message });

export const warning = (about: string, message: string, mend?: string): Finding => ({
  level: "warning",
  about,
  message,
  ...(mend === undefined ? {} : { mend }),
});

export const problem = (about: string, message: string, mend?: string): Finding => ({
  level: "problem",
  about,
  message,
  ...(mend === undefined ? {} : { mend }),
});
