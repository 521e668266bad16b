import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import type { DpopNonces } from "../grants/index.ts";
import type { Http } from "../http/http.ts";
import type { IssuerClocks } from "../http/issuer-clock.ts";
import type { EventPayload } from "../protocol.ts";
import type { Vault } from "../vault/vault.ts";
import type { CallerRates } from "./admission.ts";
import type { HostLimiter } from "./host-limiter.ts";
import type { OneTimeCodes } from "./one-time-codes.ts";
import type { CredentialRecord } from "./record.ts";
import type { SharedRecords } from "./shared/shared-records.ts";
import type { SpendingRequests } from "./spending-requests.ts";

/** Reads and writes sealed records. */
export type RecordStore = Pick<Vault<CredentialRecord>, "locked" | "read" | "write" | "release">;

/** Handles the files of credentials whose candidates are tried (see candidate.ts). */
export interface CandidateFiles {
  /** Returns the settings of the credential with this text as its file. Throws AuthdError. */
  resolve(name: string, file: string): CredentialSettings;
  /** Called when the candidate has brought a token, so that it can be put in force. */
  worked(name: string): void;
}

/** Everything that all credentials share. */
export interface CredentialDeps {
  clock: Clock;
  time: Timekeeper;
  http: Http;
  hostLimiter: HostLimiter;
  codes: OneTimeCodes;
  issuerClocks: IssuerClocks;
  spendingRequests: SpendingRequests;
  callerRates: CallerRates;
  vault: RecordStore;
  candidates: CandidateFiles;
  log: Log;
  onEvent: (event: EventPayload) => void;
  /** Called when a credential's next deadline moved to this boot time (ms). */
  reschedule: (name: string, deadline: number) => void;
  /** Present where records are shared with other hosts; a candidate is tried by one host alone. */
  shared?: SharedRecords | undefined;
  /** Address of the store whose records this host shared, and which config.toml names no more. */
  formerStore?: string | undefined;
  /** True if the program of a subject token may be run (`subject_exec` in config.toml). */
  allowsExec?: boolean;
  /** Returns a token of the credential `name` for `asker`, whose subject token it is. Rejects with AuthdError. */
  tokenOf: (name: string, asker: string) => Promise<string>;
  /** The nonces of servers that take bound tokens. */
  dpopNonces: DpopNonces;
  /** Present when the daemon ends: every token request that is not sent yet fails with it. */
  refusal?: AuthdError;
}
