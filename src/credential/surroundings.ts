import type { Clock } from "../clock.ts";
import type { Http } from "../http.ts";
import type { Log } from "../log.ts";
import type { Reason, State } from "../protocol.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { Vault } from "../vault/vault.ts";
import type { Lanes } from "./lanes.ts";
import type { CredentialRecord } from "./record.ts";

export type CredentialEvent =
  | { kind: "refreshed"; credential: string; expiresAt: number | null }
  | { kind: "state"; credential: string; state: State; reason?: Reason };

/** What all credentials share. */
export interface Surroundings {
  clock: Clock;
  time: Timekeeper;
  http: Http;
  lanes: Lanes;
  vault: Vault<CredentialRecord>;
  log: Log;
  onEvent: (event: CredentialEvent) => void;
  /** A credential's next deadline moved to this boot time. */
  rearm: (deadline: number) => void;
}
