import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Timekeeper } from "../base/timekeeper.ts";
import type { CredentialSettings } from "../config/settings.ts";
import type { AuthdError } from "../errors.ts";
import type { Http } from "../http/http.ts";
import type { IssuerClocks } from "../http/issuer-clock.ts";
import type { EventPayload } from "../protocol.ts";
import type { Vault } from "../vault/vault.ts";
import type { HostLimiter } from "./host-limiter.ts";
import type { OneTimeCodes } from "./one-time-codes.ts";
import type { Pace } from "./pace.ts";
import type { CredentialRecord } from "./record.ts";
import type { SpendingRequests } from "./spending-requests.ts";

/** Where records are sealed. */
export type RecordStore = Pick<Vault<CredentialRecord>, "locked" | "read" | "write" | "release">;

/** What looks after the files of credentials whose candidates are tried (see candidate.ts). */
export interface CandidateFiles {
  /** Settings of the credential with this text as its file. Throws AuthdError. */
  resolve(name: string, file: string): CredentialSettings;
  /** The candidate has brought a token: it is to be put in force. */
  worked(name: string): void;
}

/** What all credentials share. */
export interface CredentialDeps {
  clock: Clock;
  time: Timekeeper;
  http: Http;
  hostLimiter: HostLimiter;
  codes: OneTimeCodes;
  issuerClocks: IssuerClocks;
  spendingRequests: SpendingRequests;
  pace: Pace;
  vault: RecordStore;
  candidates: CandidateFiles;
  log: Log;
  onEvent: (event: EventPayload) => void;
  /** A credential's next deadline moved to this boot time. */
  rearm: (name: string, deadline: number) => void;
  /** Why no token request is begun any more: the daemon ends. */
  refusal?: AuthdError;
}
