/** Shapes that a helper is made of: it answers one tool in that tool's own protocol. */
import type { CredentialInfo, GetTokenParams, GetTokenResult } from "../protocol.ts";
import type { Place } from "./places.ts";
import type { Change } from "./setup/change.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** One call of a helper, by its tool. */
export interface HelperCall {
  /** The words after the tool's name. */
  args: readonly string[];
  env: Env;
  /** Reads all of standard input. */
  read(): Promise<string>;
  /** Reads standard input line by line, for tools that ask more than once. */
  lines(): AsyncIterable<string>;
  /** Writes to standard output, which the tool reads. */
  write(text: string): void;
  /** Writes to standard error, which a person reads. */
  complain(text: string): void;
  getToken(params: GetTokenParams): Promise<GetTokenResult>;
  credentials(): Promise<readonly CredentialInfo[]>;
  /**
   * Returns the credential for what the tool asks for: that of `helpers.toml`, else the one whose origins it
   * belongs to; undefined if there is none. Throws AuthdError `invalid_params` if there are several.
   */
  credentialFor(place: Place): Promise<Found | undefined>;
  /** Lists what `helpers.toml` says about this tool. */
  mapped(): Promise<readonly Mapped[]>;
}

export interface Mapped {
  place: Place;
  credential: string;
}

export interface Found {
  credential: string;
  /** The user that `helpers.toml` names with it. */
  user?: string;
}

/** One `--for` of `authd helper install`. */
export interface Wanted {
  /** In the tool's words: a host, a profile, a context. */
  target: string;
  credential?: string;
}

export interface InstallOptions {
  env: Env;
  /** The user's home folder. */
  home: string;
  /** The words that run authd, the program's path absolute. */
  command: readonly string[];
  /** None: for everything that the tool asks for. */
  wanted: readonly Wanted[];
}

/** Exports of a helper's file. */
interface Helper {
  /** Answers one call. Returns the exit code. */
  answer(call: HelperCall): Promise<number>;
  /** Tells the tool of an error, so that it tells the person or goes on without. Returns the exit code. */
  fail?(call: HelperCall, message: string, code: number): number;
  /** Returns the changes that make the tool ask authd. Throws AuthdError `invalid_params`. */
  changes(options: InstallOptions): Promise<readonly Change[]> | readonly Change[];
  /** Tells a person who else gets the tokens by the tool's settings, once these are made. */
  leaks?(options: InstallOptions): Promise<readonly string[]>;
}

export interface HelperRow {
  /** One line for `authd helper list`. */
  summary: string;
  /** The names that `--for` takes: `HOST`, `PROFILE`, `CONTEXT`. */
  target: string;
  /** True if the tool tells for which host it asks, so that `helpers.toml` says which credential it gets. */
  asksByHost: boolean;
  load(): Promise<Helper>;
}
