import type { Launch } from "./launch.ts";
import type { Answer } from "./tool.ts";

/** File that a service manager reads, before it is marked as authd's. */
export interface ServiceFile {
  path: string;
  content: string;
}

/** Call of the service manager's program. */
export interface Step {
  argv: readonly [string, ...string[]];
  /** A failure is ignored. */
  optional?: true;
}

/** State of the service; undefined where the service manager can't be asked. */
export interface ServiceState {
  enabled?: boolean;
  active?: boolean;
  /** Process id of the running service. */
  pid?: number;
}

/** Runs the service manager's program to its end. Never rejects. */
type Ask = (...argv: Step["argv"]) => Promise<Answer>;

/** Everything that differs between service managers, as data. */
export interface ServiceManager {
  readonly name: string;
  /** It starts a client of a daemon, not a daemon. */
  readonly isClient?: true;
  /** Format of a one-line comment, and the line of a file before which authd's mark goes. */
  readonly comment: { open: string; close: string; line: number };
  files(launch: Launch, env: NodeJS.ProcessEnv): ServiceFile[];
  /** Returns the words of the command that an installed file starts; undefined if it has none. */
  commandIn(content: string): string[] | undefined;
  /** Steps that enable and (re)start the service, once its files are written. */
  start(paths: readonly string[]): Step[];
  /** Steps that stop and disable the service of these files. */
  stop(paths: readonly string[]): Step[];
  /** Steps after the files were removed. */
  forget: readonly Step[];
  /** Steps that remove what an earlier authd has installed for this user under another name. */
  outdated?(paths: readonly string[], ask: Ask): Promise<Step[]>;
  /** Tells of the service of these files. */
  state(ask: Ask, paths: readonly string[]): Promise<ServiceState>;
  /** How a person keeps changes of the files, in a sentence. */
  readonly customize: string;
  /** Returns further advice after an installation. */
  hints(ask: Ask, env: NodeJS.ProcessEnv): Promise<string[]>;
}
