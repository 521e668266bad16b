import type { Clock } from "../clock.ts";
import type { AuthdError } from "../errors.ts";
import type { IssuerClocks } from "../http/issuer-clock.ts";
import type { Http } from "../http.ts";
import type { Log } from "../log.ts";
import type { Happened } from "../protocol.ts";
import type { CredentialSettings } from "../settings.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { Vault } from "../vault/vault.ts";
import type { Lanes } from "./lanes.ts";
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
export interface Surroundings {
  clock: Clock;
  time: Timekeeper;
  http: Http;
  lanes: Lanes;
  codes: OneTimeCodes;
  issuerClocks: IssuerClocks;
  spendingRequests: SpendingRequests;
  pace: Pace;
  vault: RecordStore;
  candidates: CandidateFiles;
  log: Log;
  onEvent: (event: Happened) => void;
  /** A credential's next deadline moved to this boot time. */
  rearm: (name: string, deadline: number) => void;
  /** Why no token request is begun any more: the daemon ends. */
  refusal?: AuthdError;
}
