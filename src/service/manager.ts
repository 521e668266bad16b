import type { Launch } from "./launch.ts";
import type { Answer } from "./tool.ts";

/** One file that a service manager reads, before it is marked as ours. */
export interface ServiceFile {
  path: string;
  content: string;
}

/** One call of the service manager's program. */
export interface Step {
  argv: readonly [string, ...string[]];
  /** It makes no difference if this one fails. */
  optional?: true;
}

/** What is known of the running service; undefined where the service manager can't be asked. */
export interface ServiceState {
  enabled?: boolean;
  active?: boolean;
  /** Process id of the running service. */
  pid?: number;
}

/** Everything that differs between service managers, as data: service.ts does the rest. */
export interface ServiceManager {
  readonly name: string;
  /** It starts a client of a daemon, not a daemon. */
  readonly isClient?: true;
  /** How a one-line comment is written, and before which line of a file ours goes. */
  readonly comment: { open: string; close: string; line: number };
  files(launch: Launch, env: NodeJS.ProcessEnv): ServiceFile[];
  /** The words of the command that an installed file starts; undefined if there is none in it. */
  commandIn(content: string): string[] | undefined;
  /** Enables and (re)starts the service, once its files are written. */
  start(paths: readonly string[]): Step[];
  /** Stops and disables what these files describe. */
  stop(paths: readonly string[]): Step[];
  /** After the files are gone. */
  forget: readonly Step[];
  state(ask: (...argv: Step["argv"]) => Promise<Answer>): Promise<ServiceState>;
  /** How to keep changes of one's own, in a sentence. */
  readonly customize: string;
  /** What else a person should know after an installation. */
  hints(ask: (...argv: Step["argv"]) => Promise<Answer>, env: NodeJS.ProcessEnv): Promise<string[]>;
}
