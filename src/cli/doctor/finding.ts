import { omitUndefined } from "../../base/omit-undefined.ts";
import type { CredentialInfo, StatusResult } from "../../protocol.ts";

/** Result of one check. */
export interface Finding {
  /** `unknown`: it could not be looked at, so that nothing is wrong or right about it. */
  level: "ok" | "unknown" | "warning" | "problem";
  /** Subject of the check, in a word or two. */
  about: string;
  message: string;
  /** What a person does about it. */
  fix?: string;
}

/** Everything that checks may rely on. */
export interface DoctorContext {
  env: NodeJS.ProcessEnv;
  /** Wall clock, ms since the epoch. */
  now: number;
  /** Undefined: no daemon answers. */
  daemon?: StatusResult;
  /** Empty without a daemon. */
  credentials: readonly CredentialInfo[];
  /** Uid that the daemon runs as (without a daemon, owner of the socket), if it is not the caller's. */
  host?: number;
  /** The daemon's own folders can't be told from this environment. */
  isElsewhere: boolean;
}

/** Checks one subject. An error that it throws is reported as a problem. */
export type Check = (context: DoctorContext) => Finding[] | Promise<Finding[]>;

export const ok = (about: string, message: string): Finding => ({ level: "ok", about, message });

export const unknown = (about: string, message: string, fix?: string): Finding => ({
  level: "unknown",
  about,
  message,
  ...omitUndefined({ fix }),
});

export const warning = (about: string, message: string, fix?: string): Finding => ({
  level: "warning",
  about,
  message,
  ...omitUndefined({ fix }),
});

export const problem = (about: string, message: string, fix?: string): Finding => ({
  level: "problem",
  about,
  message,
  ...omitUndefined({ fix }),
});
